"""List the images of all splits in one fixed order, and draw the transfer images."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images.index import index_images
    from transfer_atlas.images.readers import open_images
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import write_table

    images, seed = snakemake.params.images, snakemake.params.seed
    provenance = Provenance(images=images, seed=seed)
    readers = {split: open_images(images, split) for split in ("train", "evaluation")}
    options = (images[key] for key in ("classes", "transfer_images", "held_out"))
    indexes, classes = index_images(readers, *options, seed)
    write_table(classes, "classes", snakemake.output.classes, provenance.record())
    for split, index in indexes.items():
        write_table(index, "images", snakemake.output[split], provenance.record())
