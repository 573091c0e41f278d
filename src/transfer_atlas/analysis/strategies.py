"""What a stream of teachers is worth beside simpler ways to spend the same images: one teacher, the labels, a soup."""

import numpy as np
import pandas as pd

from transfer_atlas.analysis.rounding import p_of_change, rounding_errors
from transfer_atlas.statistics import false_discovery_rate, paired_standard_error

ORACLE = "oracle"


def compare_strategies(streams, singles, right_of):
    """The strategies table.

    Args:
        streams: rows of the stream table.
        singles: rows of the transfer table: the students with each of the candidates alone, by the method of the streams, the
            epoch chosen on the images kept apart; and controls with perturbed weights, for the rounding error.
        right_of: dict of model to bool [evaluation images].

    Returns:
        DataFrame; a strategy that changes nothing has gain and loss 0.
    """
    streams = streams.dropna(subset=["delta"])
    rows = [_of_stream(stream) for stream in streams.itertuples()]
    before = streams.groupby("student")["apart_accuracy_before"].first()
    known = singles[singles["teacher"].notna() & singles["student"].isin(before.index)].dropna(
        subset=["selected_accuracy"]
    )
    for (student, seed), candidates in known.groupby(["student", "seed"], sort=False):
        identity = {"student": student, "seed": seed, "accuracy_before": candidates["accuracy_before"].iloc[0]}
        rows += [identity | row for row in _of_singles(student, candidates, right_of, before[student])]
    table, images = pd.DataFrame(rows), len(next(iter(right_of.values())))
    trained = (table["gain"] + table["loss"] > 0) & (table["strategy"] != ORACLE)
    rounding = table["student"].map(rounding_errors(singles)).where(trained, 0.0)
    error = paired_standard_error(table["gain"], table["loss"], images)
    return table.assign(
        delta=table["gain"] - table["loss"],
        delta_standard_error=np.hypot(error, rounding.fillna(0.0)),
        p=p_of_change(table["gain"], table["loss"], images, rounding),
    ).assign(q=lambda rows: false_discovery_rate(rows["p"]))


def _of_stream(stream):
    names = ("student", "seed", "teachers", "epochs", "accuracy_before", "gain", "loss")
    return {"strategy": stream.way, **{name: getattr(stream, name) for name in names}}


def _of_singles(student, candidates, right_of, before):
    """Rows of the strategies with one teacher, and of all that the candidates know."""
    epochs = candidates["epoch_objective"].map(len)
    accuracy = candidates["teacher"].map(lambda name: right_of[name].mean())
    deltas = candidates["best_gain"] - candidates["best_loss"]
    chosen = candidates.loc[candidates["selected_accuracy"].idxmax()]
    rows = [
        _of_single("single", chosen, epochs.sum()),
        _of_single("single_accurate", candidates.loc[accuracy.idxmax()], epochs[accuracy.idxmax()]),
        _of_single("single_hindsight", candidates.loc[deltas.idxmax()], epochs.sum()),
    ]
    if chosen["selected_accuracy"] <= before:  # the student stays as it is
        rows[0] |= {"teachers": [], "gain": 0.0, "loss": 0.0}
    known = np.any([right_of[name] for name in candidates["teacher"]], axis=0) & ~right_of[student]
    all_known = {"gain": known.mean(), "loss": 0.0, "epochs": 0}
    return [*rows, {"strategy": ORACLE, "teachers": candidates["teacher"].tolist(), **all_known}]


def _of_single(strategy, transfer, epochs):
    gain, loss = transfer["best_gain"], transfer["best_loss"]
    return {"strategy": strategy, "teachers": [transfer["teacher"]], "epochs": epochs, "gain": gain, "loss": loss}
