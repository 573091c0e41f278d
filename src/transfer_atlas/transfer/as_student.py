"""What a teacher makes of a student's evaluation images, shown as the student sees them (a quirk of the authors' code)."""

import torch

from transfer_atlas.errors import DiskError, InputError, one_line
from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.logits.inference import check_finite, infer_batches
from transfer_atlas.logits.predictions import answer_columns, predictions_table
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import exclusion, fingerprint, read_table, write_excluded, write_table
from transfer_atlas.zoo.build import build_model, normalisation


def answer_as_student(
    teacher, student, classes, input_size, weights, pixels, predictions, output, inference, on_error, device
):
    """Ask a teacher about the evaluation images in the student's pixels, mean and standard deviation.

    Args:
        teacher: row of the zoo sheet.
        student: row of the zoo sheet.
        classes: number of classes.
        input_size: side of the student's input in pixels.
        weights: weights file of the teacher, or None for the hub's.
        pixels: decoded evaluation images in the student's geometry.
        predictions: predictions table of the teacher on its own input.
        output: predictions table to write.
        inference: dict of precision, as in `infer_batches`.
        on_error: `exclude` lets a teacher that cannot answer such input teach this student without a result.
        device: where to compute.

    Raises:
        InputError: the teacher cannot take the student's input (on_error: fail).
    """
    provenance, reason = Provenance(teacher=teacher, student=student, inference=inference), exclusion(predictions)
    if reason is None:
        index = read_table(predictions, ["image", "label"])
        try:
            with torch.device("meta"):  # for its numbers alone
                mean, std = normalisation(build_model(student | {"weights": "random"}, classes, input_size))
            model = build_model(teacher | {"mean": mean, "std": std}, classes, input_size, weights).to(device)
            table = _answers(model, teacher, student["model"], open_pixels(pixels), index, inference, device)
        except InputError as error:
            if on_error == "fail" or isinstance(error, DiskError):
                raise
            reason = str(error)
    if reason is not None:
        write_excluded("predictions", output, reason, provenance.record(device))
    else:
        record = provenance.record(device) | {"fingerprint": fingerprint(index["image"], index["label"])}
        write_table(table, "predictions", output, record)


def _answers(model, row, student, pixels, index, inference, device):
    """The predictions table; every batch is forgotten once it is answered."""
    columns = []
    how = {"batch_size": row["inference_batch_size"], "device": device, "precision": inference["precision"]}
    try:
        for rows, logits in infer_batches(model, pixels.__getitem__, len(index), **how):
            check_finite(logits, rows, row["model"], "logits", view=0)
            columns.append(answer_columns(logits, index["label"][rows]))
    except (AssertionError, RuntimeError) as error:
        # what networks raise of images that are too small or too large for them
        raise InputError(f"model {row['model']} cannot be shown the input of {student}: {one_line(error)}") from error
    return predictions_table(index, {name: torch.cat([part[name] for part in columns]) for name in columns[0]})
