"""List the images of all splits in one fixed order, and draw the transfer images."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images import class_names, describe_classes, read_index, stratified_subset
    from transfer_atlas.tables import Provenance, write_table

    params = snakemake.params
    provenance = Provenance(label_column=params.label_column, seed=params.seed)
    train, evaluation = (
        read_index(snakemake.input[split], split, params.label_column, params.classes)
        for split in ("train", "evaluation")
    )
    transfer = stratified_subset(train, params.transfer_images, params.seed)
    names = class_names(snakemake.input.evaluation[0], params.label_column)
    classes = describe_classes(evaluation, names, params.classes)
    write_table(classes, "classes", snakemake.output.classes, provenance.record())
    for split, index in {"train": train, "transfer": transfer, "evaluation": evaluation}.items():
        write_table(index, "images", snakemake.output[split], provenance.record())
