"""The complementarity table of all ordered pairs."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from transfer_atlas.complementarity.counts import PairCounter, count_pairs
from transfer_atlas.complementarity.examples import check_examples, choose_examples, count_flips_by_class
from transfer_atlas.complementarity.measures import MEASURES, pairs_of

PAIRS_AT_ONCE = 100_000


def tabulate_pairs(counts):
    """Turn PairCounts into rows of the complementarity table: each student with every other model, in the order of `counts`."""
    pairs, names = pairs_of(counts), pd.Index(counts.models)
    table = {"student": names.take(pairs.student), "teacher": names.take(pairs.teacher)}
    for measure in MEASURES:
        table |= measure(pairs)
    return pd.DataFrame(table | {"images": pairs.images}, copy=False)


def tabulate_chunks(counter, first=0, last=None, pairs=PAIRS_AT_ONCE):
    """Yield the complementarity table in parts, in its order; the pairs of the next part are counted meanwhile.

    Args:
        counter: PairCounter.
        first: position of the first student.
        last: position after the last one; None for all.
        pairs: of a part, about.
    """
    models = len(counter.zoo.models)
    last, step = models if last is None else last, max(1, pairs // models)

    def count(start):
        return counter.count(start, min(start + step, last))

    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(count, first)
        for start in range(first + step, last + step, step):
            counts = following.result()
            if start < last:
                following = thread.submit(count, start)
            yield tabulate_pairs(counts)


def compare_models(predicted, embeddings=None, same_network=(), accepted=None):
    """The whole complementarity table; arguments as of `PairCounter`."""
    return tabulate_pairs(count_pairs(predicted, embeddings, same_network, accepted))


def compare_in_chunks(predicted, embeddings, examples, same_network=(), accepted=None):
    """Compare all ordered pairs with the memory of a part of their table.

    Args:
        predicted: ZooPredictions.
        embeddings: as in `PairCounter`.
        examples: rules of the example pairs, as in `choose_examples`.
        same_network: as in `PairCounter`.
        accepted: as in `PairCounter`.

    Returns:
        (chunks, flips_by_class): iterator over the parts of the complementarity table, and the flips_by_class table.

    Raises:
        InputError: as `choose_examples` and `PairCounter` do.
    """
    check_examples(predicted.models, examples)
    counter = PairCounter(predicted, embeddings, same_network, accepted)
    chosen = choose_examples(counter.zoo.models, counter.zoo.right, examples)
    return tabulate_chunks(counter), count_flips_by_class(predicted, chosen)
