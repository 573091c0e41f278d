"""Compare all ordered pairs of models."""

from transfer_atlas.jobs import logged

with logged(snakemake.log[0]):
    import numba
    import numpy as np

    from transfer_atlas.complementarity import choose_examples, count_flips_by_class, count_pairs, tabulate_chunks
    from transfer_atlas.predictions import read_answers
    from transfer_atlas.tables import Provenance, read_table, write_chunks, write_table

    numba.set_num_threads(min(snakemake.threads, numba.config.NUMBA_NUM_THREADS))
    params, inputs, outputs = snakemake.params, snakemake.input, snakemake.output
    provenance = Provenance(examples=params.examples)
    answers = read_answers(inputs.predictions)
    counts = count_pairs(answers, np.load(inputs.embeddings[0]))
    write_chunks(tabulate_chunks(counts), "complementarity", outputs.complementarity, provenance.record())
    ranked = read_table(outputs.complementarity, ["student", "teacher", "accuracy_difference"])
    flips = count_flips_by_class(answers, choose_examples(ranked, params.examples))
    write_table(flips, "flips_by_class", outputs.flips_by_class, provenance.record())
