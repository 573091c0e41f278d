"""Train one model of the zoo on the study's own images."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    import torch
    from safetensors.torch import save_file

    from transfer_atlas.pixels import open_pixels
    from transfer_atlas.tables import atomic, read_table
    from transfer_atlas.training import TrainingRecipe, train_model
    from transfer_atlas.zoo import build_model, default_device

    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    torch.manual_seed(params.recipe["seed"])  # initial weights
    model = build_model({**params.row, "weights": "random"}, params.classes, params.input_size)
    labels = read_table(snakemake.input.index)["label"]
    recipe = TrainingRecipe(**params.recipe)
    trained = train_model(model, open_pixels(snakemake.input.pixels), labels, recipe, default_device())
    with atomic(snakemake.output[0]) as path:
        save_file(trained.state_dict(), path)
