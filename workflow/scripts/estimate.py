"""Say what the study will take."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.images.index import split_sizes
    from transfer_atlas.images.readers import open_images
    from transfer_atlas.store.files import save_text
    from transfer_atlas.zoo.estimate import estimate_study

    params = snakemake.params
    rows = {split: len(open_images(params.images, split)) for split in ("train", "evaluation")}
    images = split_sizes(**rows, **{key: params.images[key] for key in ("transfer_images", "held_out")})
    text = estimate_study(
        params.zoo, params.geometry, images, params.views, params.images["classes"], params.top, params.trainings
    )
    save_text(snakemake.output[0], text)
