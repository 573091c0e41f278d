"""Say what the study will take."""

from pathlib import Path

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images.index import subset_size
    from transfer_atlas.images.readers import count_rows
    from transfer_atlas.study.sources import image_files
    from transfer_atlas.zoo.estimate import estimate_study

    params = snakemake.params
    images = {split: count_rows(image_files(params.images, split)) for split in ("train", "evaluation")}
    images["transfer"] = subset_size(params.images["transfer_images"], images["train"])
    if held_out := params.images["held_out"]:
        images["evaluation"] = subset_size(held_out, images["train"])
    text = estimate_study(
        params.zoo, params.geometry, images, params.views, params.images["classes"], params.transfers, params.methods
    )
    Path(snakemake.output[0]).write_text(text)
