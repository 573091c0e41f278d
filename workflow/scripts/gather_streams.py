"""Gather the streams of teachers: what each stage added, what became of each image, and what simpler strategies give."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.analysis.ledger import describe_ledger, describe_stages, describe_streams
    from transfer_atlas.analysis.strategies import compare_strategies
    from transfer_atlas.store.tables import gather, read_table, write_chunks, write_table

    inputs, outputs = snakemake.input, snakemake.output
    streams, cost = gather(inputs.streams, "stream")
    singles, _ = gather(inputs.singles, "transfer")
    predictions = dict(zip(snakemake.params.models, inputs.predictions, strict=True))
    right_of = {model: read_table(file, ["correct"])["correct"].to_numpy() for model, file in predictions.items()}
    images = read_table(inputs.predictions[0], ["image", "label"])
    write_table(describe_streams(streams, singles), "streams", outputs.streams, cost)
    write_table(describe_stages(streams, right_of), "stages", outputs.stages)
    write_chunks(describe_ledger(streams, right_of, images), "ledger", outputs.ledger)
    write_table(compare_strategies(streams, singles, right_of), "strategies", outputs.strategies)
