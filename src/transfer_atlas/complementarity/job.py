"""The comparison of all pairs as a job: its tables, written as one file or in parts."""

import numba

from transfer_atlas.complementarity.pair_table import compare_in_chunks
from transfer_atlas.complementarity.parts import compare_in_parts
from transfer_atlas.logits.zoo_predictions import read_zoo_predictions
from transfer_atlas.store.tables import write_chunks, write_table


def compare_zoo(paths, embeddings, outputs, students_per_file, recipe, provenance, accepted=None, threads=1):
    """Compare all ordered pairs of a zoo, and write the tables.

    Args:
        paths: predictions tables, or their folder, as in `read_zoo_predictions`.
        embeddings: as in `counts.PairCounter`.
        outputs: as in `parts.compare_in_parts`; `sample` only with `students_per_file`.
        students_per_file: as in `parts.compare_in_parts`; None for one file.
        recipe: as in `parts.compare_in_parts`.
        provenance: Provenance of the job.
        accepted: as in `counts.PairCounter`.
        threads: of the compiled loops.

    Raises:
        InputError: as `compare_in_chunks`, `compare_in_parts` and `read_zoo_predictions` do.
    """
    # threads that wait sleep: those of OpenMP would take the processor from the one that writes the table
    numba.config.THREADING_LAYER = "workqueue"
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    if students_per_file:
        compare_in_parts(paths, embeddings, outputs, students_per_file, recipe, provenance, accepted)
        return
    predicted = read_zoo_predictions(paths)
    examples, same_network = recipe["examples"], recipe["same_network"]
    chunks, flips_by_class = compare_in_chunks(predicted, embeddings, examples, same_network, accepted)
    write_chunks(chunks, "complementarity", outputs["complementarity"], provenance.record())
    write_table(flips_by_class, "flips_by_class", outputs["flips_by_class"], provenance.record())
