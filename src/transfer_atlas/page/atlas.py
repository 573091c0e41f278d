"""The atlas page: what all models of a study predict correctly, in one HTML file that computes every number itself."""

import base64
import gzip
import json
from importlib.resources import files

import numpy as np
import pandas as pd

WORD = 32  # bits
COUNTED_BY_PAGE = 300  # models; of more the page holds the counts of all pairs
MOST_PREDICTIONS = 8_000_000  # models x images; with more the page holds no predictions, and no vote
EXPECTED = ["method", "student", "teacher", "expected_delta", "expected_low", "expected_high"]
RATIO_STEPS = 10_000  # a ratio of flips is stored in such parts of 1, in 16 bits; 0 where there is none
SHARE_STEPS = 60_000  # a share likewise
OF_PAIRS = ["student", "teacher", "positive_flips", "flips_over_expected", "accepted_flips", "student_accepted"]
MISSING = np.iinfo(np.uint16).max  # of a stored share
PARTS = ("atlas.css", "bits.js", "pairs.js", "drawing.js", "atlas.js")


def build_page(study, predicted, classes, models, pairs, deltas=None, expected=None):
    """Write the page of a study: correctness of all models, packed, and the script that compares them.

    Args:
        study: its name.
        predicted: ZooPredictions of all compared models.
        classes: the classes table.
        models: the models table.
        pairs: columns OF_PAIRS of the complementarity table.
        deltas: the deltas table; None where the study has no transfers.
        expected: the expected_deltas table; None likewise.

    Returns:
        HTML, a text; it loads nothing, and works from a file without a network.
    """
    slots, starts = _slots(predicted.labels, predicted.correct.sum(axis=0), len(classes))
    facts = {
        "study": study,
        "images": len(predicted.labels),
        "starts": starts,
        "classes": [{"name": name, "images": int(images)} for name, images in _named(classes)],
        "models": _describe(predicted, models),
        "deltas": _of_pairs(
            predicted.models, deltas, ["method", "student", "teacher", "delta", "delta_low", "delta_high"]
        ),
        "expected": _of_pairs(predicted.models, expected, EXPECTED),
    }
    arrays = {"correct": _packed(predicted.correct, slots, starts[-1])}
    if pairs["flips_over_expected"].notna().any():
        arrays["expected"] = _ratios(predicted.models, pairs)
    if pairs["accepted_flips"].notna().any():
        shares = [_of_all(predicted.models, pairs, name) for name in ("accepted_flips", "student_accepted")]
        arrays["accepted"] = np.nan_to_num(np.rint(np.stack(shares) * SHARE_STEPS), nan=MISSING).astype("<u2")
    if len(predicted.models) > COUNTED_BY_PAGE:
        arrays["both"] = _joint_counts(predicted, pairs)
    if predicted.prediction.size <= MOST_PREDICTIONS:
        arrays["predictions"] = _in_slots(predicted.prediction, slots, starts[-1], np.uint16)
        if not np.isnan(predicted.confidence).any():
            kind = np.uint8 if len(predicted.models) <= 256 else np.uint16
            arrays["ranks"] = _in_slots(_ranks(predicted.confidence), slots, starts[-1], kind)
    return _fill_in(facts, arrays)


def _fill_in(facts, arrays):
    """The page with its style, script, facts and compressed arrays."""
    page = files(__package__).joinpath("atlas.html").read_text()
    css, *scripts = (files(__package__).joinpath(part).read_text() for part in PARTS)
    replaced = {
        "STYLE": css,
        "SCRIPT": "\n".join(scripts),
        # a name that holds markup stays text
        "FACTS": json.dumps(facts, allow_nan=False).replace("<", "\\u003c"),
        **{name.upper(): _compressed(array) for name, array in arrays.items()},
    }
    for name in ("FACTS", "CORRECT", "BOTH", "EXPECTED", "ACCEPTED", "PREDICTIONS", "RANKS", "STYLE", "SCRIPT"):
        page = page.replace(f"@{name}@", replaced.get(name, ""))
    return page


def _slots(labels, knowing, classes):
    """Place of each image's bit, and the first word of each class and of none: every class begins with a word of its own.

    Images of a class that as many models know stand together, which makes the page smaller.
    """
    counts = np.bincount(labels, minlength=classes)
    starts = np.concatenate([[0], np.cumsum(-(-counts // WORD))])
    order = np.lexsort((knowing, labels))
    within = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    slots = np.empty(len(labels), np.int64)
    slots[order] = starts[labels[order]] * WORD + within
    return slots, starts.tolist()


def _in_slots(values, slots, words, kind):
    """Values of the images at the places of their bits, [models, words * WORD]."""
    placed = np.zeros((len(values), words * WORD), kind)
    placed[:, slots] = values
    return placed


def _ranks(confidence):
    """Which models are more confident on an image, [models, images]: 0 for the least; of equal ones the first has the most."""
    order = np.argsort(-confidence, axis=0, kind="stable")
    ranks = np.empty(confidence.shape, np.int64)
    np.put_along_axis(ranks, order, np.arange(len(confidence))[::-1, None], axis=0)
    return ranks


def _joint_counts(predicted, pairs):
    """Images that both models of a pair predict correctly, of all pairs above the diagonal, row by row."""
    images, upper = len(predicted.labels), np.triu_indices(len(predicted.models), 1)
    flips = np.rint(_of_all(predicted.models, pairs, "positive_flips")[upper] * images).astype(np.int64)
    both = predicted.correct.sum(axis=1)[upper[1]] - flips
    return both.astype("<u2" if images < 65536 else "<u4")


def _of_all(models, pairs, column):
    """A column of all pairs, [students, teachers]; NaN where there is no pair."""
    places = {name: number for number, name in enumerate(models)}
    values = np.full((len(models), len(models)), np.nan)
    values[pairs["student"].map(places).to_numpy(), pairs["teacher"].map(places).to_numpy()] = pairs[column]
    return values


def _packed(correct, slots, words):
    """Correctness as bits, uint32 [models, words], the first image of a word in its lowest bit."""
    bits = np.zeros((len(correct), words * WORD), bool)
    bits[:, slots] = correct
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")


def _ratios(models, pairs):
    """Positive flips over expected ones, uint16 [students, teachers] in steps of 1 / RATIO_STEPS."""
    steps = np.rint(_of_all(models, pairs, "flips_over_expected") * RATIO_STEPS)
    return np.nan_to_num(steps).clip(max=np.iinfo(np.uint16).max).astype("<u2")


def _compressed(array):
    """Base64 of the gzipped bytes; without the time, so that the same data give the same page."""
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), mtime=0)).decode()


def _named(classes):
    names = classes["name"].fillna(classes["class"].astype(str))
    return zip(names, classes["images"], strict=True)


def _describe(predicted, models):
    described = models.set_index("model").reindex(predicted.models)
    columns = [name for name in ("family", "parameters", "macs") if name in described]
    table = described[columns].astype(object).where(described[columns].notna(), None)
    return [{"name": name, **row} for name, row in zip(predicted.models, table.to_dict("records"), strict=True)]


def _of_pairs(models, table, columns):
    """Some columns of a table of pairs as lists, models by their place in the page."""
    if table is None:
        return []
    place = {name: number for number, name in enumerate(models)}
    known = table[table["student"].isin(place) & table["teacher"].isin(place)]
    rows = known[columns].assign(student=known["student"].map(place), teacher=known["teacher"].map(place))
    return rows.astype(object).where(pd.notna(rows), None).to_numpy().tolist()
