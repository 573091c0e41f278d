"""Predictions of a teacher on the evaluation images in the student's input (a quirk of the authors' code)."""

from dataclasses import replace

import torch

from transfer_atlas.errors import DiskError, InputError
from transfer_atlas.images.pixels import open_pixels
from transfer_atlas.logits.inference import check_finite, infer_batches
from transfer_atlas.logits.predictions import prediction_columns, predictions_table
from transfer_atlas.store.provenance import Provenance
from transfer_atlas.store.tables import exclusion, fingerprint, read_table, write_excluded, write_table
from transfer_atlas.zoo.build import build_model, normalisation


def predict_as_student(teacher, student, pixels, predictions, output, on_error):
    """Write a teacher's predictions on the evaluation images with the student's pixels, mean and standard deviation.

    Args:
        teacher: StudyModel of the teacher, with the student's input_size.
        student: row of the zoo sheet.
        pixels: decoded evaluation images in the student's geometry.
        predictions: predictions table of the teacher on its own input.
        output: predictions table to write.
        on_error: `exclude` writes a table without rows for a teacher that cannot take such input; its transfers to this
            student then have no result.

    Raises:
        InputError: the teacher cannot take the student's input (on_error: fail).
    """
    provenance = Provenance(teacher=teacher.row, student=student, inference=teacher.inference)
    reason = exclusion(predictions)
    if reason is None:
        index = read_table(predictions, ["image", "label"])
        try:
            with torch.device("meta"):  # no weights are needed for its mean and standard deviation
                shell = build_model(student | {"weights": "random"}, teacher.classes, teacher.input_size)
            mean, std = normalisation(shell)
            table = _predict(replace(teacher, row=teacher.row | {"mean": mean, "std": std}), pixels, index)
        except InputError as error:
            if on_error == "fail" or isinstance(error, DiskError):
                raise
            reason = str(error)
    if reason is not None:
        write_excluded("predictions", output, reason, provenance.record(teacher.device))
    else:
        record = provenance.record(teacher.device) | {"fingerprint": fingerprint(index["image"], index["label"])}
        write_table(table, "predictions", output, record)


def _predict(model, pixels, index):
    """The predictions table; the logits of a batch are not kept."""
    network, pixels, columns = model.build().to(model.device), open_pixels(pixels), []
    options = {"batch_size": model.batch_size, "device": model.device, "precision": model.precision}
    for rows, logits in infer_batches(network, pixels.__getitem__, len(index), **options):
        check_finite(logits, rows, model.name, "logits", view=0)
        columns.append(prediction_columns(logits, index["label"][rows]))
    return predictions_table(index, {name: torch.cat([part[name] for part in columns]) for name in columns[0]})
