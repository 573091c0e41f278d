"""Write the atlas page."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
    from transfer_atlas.page.atlas import OF_PAIRS, build_page
    from transfer_atlas.store.files import save_text
    from transfer_atlas.store.tables import read_table, sample_of

    inputs = snakemake.input
    # None for the tables that a study without transfers does not have
    deltas, expected = ([*map(read_table, paths), None][0] for paths in (inputs.deltas, inputs.expected))
    classes, models = read_table(inputs.classes), read_table(inputs.models)
    pairs, sample = read_table(inputs.pairs[0], OF_PAIRS), sample_of(inputs.pairs)
    # of a sample, only its models
    predicted = read_zoo_predictions(inputs.predictions, set(pairs["student"]) if sample else None)
    study = f"{snakemake.params.study}: {sample}" if sample else snakemake.params.study
    page = build_page(study, predicted, classes, models, pairs, deltas, expected)
    save_text(snakemake.output[0], page)
