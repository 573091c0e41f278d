"""The complementarity table of all ordered pairs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from transfer_atlas.complementarity.counts import count_pairs
from transfer_atlas.complementarity.examples import choose_examples, count_flips_by_class
from transfer_atlas.complementarity.measures import MEASURES, pairs_of


def tabulate_pairs(counts, first=0, last=None):
    """Turn counts into rows of the complementarity table.

    Args:
        counts: PairCounts.
        first: first student of the rows.
        last: student after the last one; None for all.

    Returns:
        DataFrame of the complementarity table: each student with every other model, in the order of `counts`.
    """
    pairs, names = pairs_of(counts, first, len(counts.models) if last is None else last), pd.Index(counts.models)
    table = {"student": names.take(pairs.student), "teacher": names.take(pairs.teacher)}
    for measure in MEASURES:
        table |= measure(pairs)
    return pd.DataFrame(table | {"images": pairs.images})


def tabulate_chunks(counts, rows=200_000):
    """Yield the complementarity table in parts of about `rows` rows, in its order; the next part is made meanwhile."""
    models = len(counts.models)
    step = max(1, rows // models)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(tabulate_pairs, counts, 0, min(step, models))
        for first in range(step, models + step, step):
            part = following.result()
            if first < models:
                following = thread.submit(tabulate_pairs, counts, first, min(first + step, models))
            yield part


def compare_models(predicted, embeddings=None, same_network=(), accepted=None):
    """The whole complementarity table; arguments as in `count_pairs`."""
    return tabulate_pairs(count_pairs(predicted, embeddings, same_network, accepted))


def compare_in_chunks(predicted, embeddings, examples, same_network=(), accepted=None):
    """Compare all ordered pairs with the memory of a part of their table.

    Args:
        predicted: ZooPredictions.
        embeddings: as in `count_pairs`.
        examples: rules of the example pairs, as in `choose_examples`.
        same_network: as in `count_pairs`.
        accepted: as in `count_pairs`.

    Returns:
        (chunks, flips_by_class): iterator over the parts of the complementarity table, and the flips_by_class table.

    Raises:
        InputError: as `choose_examples` and `count_pairs` do.
    """
    counts = count_pairs(predicted, embeddings, same_network, accepted)
    return tabulate_chunks(counts), count_flips_by_class(
        predicted, choose_examples(accuracy_differences(counts), examples)
    )


def accuracy_differences(counts):
    """DataFrame with student, teacher, accuracy_difference of all ordered pairs, in the order of the table."""
    student, teacher = np.nonzero(~np.eye(len(counts.models), dtype=bool))
    names, right = np.array(counts.models), counts.right
    difference = (right[teacher] - right[student]) / counts.images
    return pd.DataFrame({"student": names[student], "teacher": names[teacher], "accuracy_difference": difference})
