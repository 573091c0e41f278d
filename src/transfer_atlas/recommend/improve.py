"""An improved student: teacher, method and epoch are chosen on transfer images kept apart, and judged once elsewhere."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file

from transfer_atlas.analysis.rounding import p_of_change, rounding_errors
from transfer_atlas.errors import InputError
from transfer_atlas.recommend.card import AND, THEN, format_card
from transfer_atlas.recommend.export import export_network, input_settings, licence_of, loading_code
from transfer_atlas.statistics import paired_standard_error
from transfer_atlas.store.provenance import versions_of
from transfer_atlas.store.tables import exclusion, gather, read_table
from transfer_atlas.study.improve import CONTROLS
from transfer_atlas.transfer.measures import gain_and_loss
from transfer_atlas.transfer.subsets import nested_subset

BEFORE = "the student before"
# of a transfer, stream or team: what `choose_candidate` and the card read
CHOSEN_BY = ["method", "teacher", "seed", "selected_accuracy", "best_epoch", "best_gain", "best_loss", "weights"]


def choose_candidate(candidates, accuracy_before):
    """The transfer that is most accurate on the images kept apart, or None where none is more accurate than the student.

    Args:
        candidates: rows of the transfer table; of equals the first is taken.
        accuracy_before: accuracy of the student on these images before any transfer.

    Returns:
        The row, or None.
    """
    known = candidates.dropna(subset=["selected_accuracy"])
    if known.empty:
        return None
    best = known.loc[known["selected_accuracy"].idxmax()]
    return best if best["selected_accuracy"] > accuracy_before else None


def students_of_streams(tables, weights):
    """The students that streams of teachers end with, as rows that can be chosen among single transfers.

    Args:
        tables: files of the streams, each one row of the stream table.
        weights: the students' weights, in the same order.

    Returns:
        DataFrame with the columns that `choose_candidate` and the card read; none for a stream that kept no stage.
    """
    rows, _ = gather(tables, "stream")
    rows = rows.assign(weights=weights)
    rows = rows[rows["teachers"].str.len() > 0]  # not without a result, nor where the student stays as it was
    rows = rows.assign(
        teacher=rows["teachers"].map(THEN.join),
        best_epoch=rows["epochs"],
        best_gain=rows["gain"],
        best_loss=rows["loss"],
    )
    return rows[CHOSEN_BY]


def teams_as_teachers(tables, weights):
    """The students of teams, as rows that can be chosen among the transfers from one teacher; arguments as before."""
    rows, _ = gather(tables, "team")
    rows = rows.assign(weights=weights).dropna(subset=["teachers"])  # not without a result
    rows = rows.assign(teacher=rows["teachers"].map(AND.join))
    return rows[CHOSEN_BY]


def improve_student(student, tables, weights, choice, about, folder, streams=((), ()), teams=((), ())):
    """Choose among the transfers that were tried and write the improved student's folder, whole or not at all.

    The evaluation images play no part in the choice; the chosen student is evaluated on them once.

    Args:
        student: Student.
        tables: files of the transfers, each one row of the transfer table.
        weights: the student's weights after the best epoch of each, in the same order.
        choice: dict of select_share, and of candidates, the names of the methods that may be chosen.
        about: dict of command, study, geometry (of the student), classes (path of the classes table) and models (rows of the
            zoo sheet: the student and the teachers that were tried).
        folder: where to write.
        streams: files of streams of teachers and of their students' weights, which may be chosen too.
        teams: the same of teams.

    Raises:
        InputError: the student is left out of the study.
    """
    if reason := exclusion(student.predictions):
        raise InputError(f"model {student.name} cannot be improved: it is excluded ({reason})")
    rows, _ = gather(tables, "transfer")
    rows["weights"] = weights
    tried = rows[rows["method"].isin(choice["candidates"])]
    if streams[0]:
        tried = pd.concat([tried, students_of_streams(*streams)], ignore_index=True)
    if teams[0]:
        tried = pd.concat([tried, teams_as_teachers(*teams)], ignore_index=True)
    apart = nested_subset(student.labels, choice["select_share"])
    network = student.build()
    before = student.evaluate_transfer_images(network.to(student.device), apart).mean()
    chosen = choose_candidate(tried, before)
    if chosen is not None:
        network.load_state_dict(load_file(chosen["weights"]))
    names = read_table(about["classes"])["name"]
    loading = loading_code(student.row, student.classes, input_settings(network, about["geometry"]), folder)
    judged = _judge(student, network, rows, tried, chosen, names)
    seen = {"images": len(apart), "before": before}
    licences = {row["model"]: licence_of(row) for row in about["models"]}
    about = about | {"licences": licences, "versions": versions_of("transfer-atlas", "torch", "timm")}
    card = format_card(student.name, student.row, chosen, tried, seen, judged, loading, about)
    class_names = None if names.isna().any() else names.tolist()
    _write_folder(Path(folder), network.cpu(), student.row, about["geometry"], class_names, card)


@dataclass(frozen=True)
class Judgement:
    """The improved student on the evaluation images.

    Attributes:
        accuracy: a fraction.
        images: their number.
        against: DataFrame with against, delta, gain, loss, standard_error (of images and rounding) and p: the student
            before, then the controls.
        changes: DataFrame by class with name, gained and lost, numbers of images.
        rounding: rounding error of the student, a fraction; NaN where it was not measured.
        seed_error: standard deviation of delta over the seeds of the chosen method and teacher; NaN for one seed.
    """

    accuracy: float
    images: int
    against: pd.DataFrame
    changes: pd.DataFrame
    rounding: float
    seed_error: float


def _judge(student, network, rows, tried, chosen, names):
    correct, rounding = student.evaluate(network), rounding_errors(rows).get(student.name, np.nan)
    seed_error = np.nan
    if chosen is not None:
        same_teacher = tried["teacher"].eq(chosen["teacher"]) | pd.isna(chosen["teacher"])
        alike = tried[(tried["method"] == chosen["method"]) & same_teacher]
        seed_error = (alike["best_gain"] - alike["best_loss"]).std(ddof=1)
    return Judgement(
        accuracy=correct.mean(),
        images=len(correct),
        against=_compare(student, rows, correct, rounding),
        changes=_changes_by_class(student, correct, names),
        rounding=rounding,
        seed_error=seed_error,
    )


def _compare(student, rows, correct, rounding):
    """The improved student against the student before and each control, as in Judgement."""
    references = {BEFORE: student.correct}
    for control in CONTROLS:
        of_control = rows[(rows["method"] == control) & rows["selected_accuracy"].notna()]
        if len(of_control):
            network = student.build()
            network.load_state_dict(load_file(of_control["weights"].iloc[0]))
            references[control] = student.evaluate(network.to(student.device))
    changes = [gain_and_loss(reference, correct) for reference in references.values()]
    table, images = pd.DataFrame(changes, columns=["gain", "loss"]), len(correct)
    table.insert(0, "against", list(references))
    # a control is a transfer as well, with a rounding error of its own
    transfers = np.where(table["against"] == BEFORE, 1, 2)
    rounding = rounding * np.sqrt(transfers)
    of_images = paired_standard_error(table["gain"], table["loss"], images)
    return table.assign(
        delta=table["gain"] - table["loss"],
        standard_error=np.hypot(of_images, np.nan_to_num(rounding)),
        p=p_of_change(table["gain"], table["loss"], images, rounding),
    )


def _changes_by_class(student, correct, names):
    table = pd.DataFrame({"class": student.evaluation_labels, "before": student.correct, "after": correct})
    table = table.assign(gained=~table["before"] & table["after"], lost=table["before"] & ~table["after"])
    counts = table.groupby("class")[["gained", "lost"]].sum()
    shown = names.fillna(pd.Series(names.index.astype(str), names.index))
    return counts.assign(name=shown.reindex(counts.index))


def _write_folder(folder, network, row, geometry, class_names, card):
    """Write all files beside `folder` and put them in its place at once, so that no half of it can be loaded."""
    partial = folder.with_name(f".{folder.name}.partial")
    for path in (partial, folder):
        shutil.rmtree(path, ignore_errors=True)
    partial.mkdir(parents=True)
    export_network(network, row, geometry, class_names, partial)
    (partial / "README.md").write_text(card)
    partial.rename(folder)
