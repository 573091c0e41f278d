"""Choose the pairs of the transfers from the comparison of all pairs."""

from transfer_atlas.jobs.log import logged

with logged(snakemake.log[0]):
    from transfer_atlas.complementarity.choice import OF_PAIRS, choose_teachers
    from transfer_atlas.store.provenance import Provenance
    from transfer_atlas.store.tables import read_table, write_table

    choice, seed = snakemake.params.choice, snakemake.params.seed
    provenance = Provenance(choice=choice, seed=seed)
    students = choice.get("students")
    pairs, models = read_table(snakemake.input.pairs, OF_PAIRS, students), read_table(snakemake.input.models)
    chosen = choose_teachers(pairs, models, choice["choose"], choice["number"], students, seed)
    write_table(chosen, "pairs", snakemake.output[0], provenance.record())
