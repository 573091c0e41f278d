"""A stage: what one of several teachers does that teach a student in turn."""

import copy
from functools import cached_property

import numpy as np

from transfer_atlas.logits.storage import open_logits
from transfer_atlas.transfer.lessons import Imitation
from transfer_atlas.transfer.loop import train_epochs


def teach_stage(spec, student, network, frozen_logits, teacher, checkpoint, evaluation):
    """Train a student as it is now by its next teacher, in place.

    Args:
        spec: TransferSpec of this stage.
        student: Student before the first stage.
        network: the student as it is now.
        frozen_logits: its logits, [views, images, classes], or LogitsOnDemand.
        teacher: Teacher; None where the method has none.
        checkpoint: Checkpoint of this stage.
        evaluation: EpochEvaluation, or None.

    Returns:
        Dict of per-epoch lists, as `train_epochs`.
    """
    teacher_logits = None if teacher is None else teacher.logits
    lesson = Imitation(spec, network, student.transfer_views, student.labels, frozen_logits, teacher_logits)
    return train_epochs(spec, lesson, student.labels, student.device, checkpoint, evaluation)


class LogitsOnDemand:
    """Logits of the student as it is now, [views, images, classes]; computed only if a stage has steps left to run."""

    def __init__(self, student, network, checkpoint):
        """Keep a copy of the network; the logits lie beside the file of `checkpoint`."""
        self.student, self.network, self.checkpoint = student, copy.deepcopy(network).eval(), checkpoint
        self.shape = student.logits.shape

    @cached_property
    def logits(self):
        """The logits, from the disk if an earlier process has written them."""
        path = self.checkpoint.path.with_suffix(".npy")
        if self.checkpoint.row is None:
            self.student.write_logits(self.network, path, self.checkpoint)
            self.checkpoint.finish({"written": True})
        return open_logits(path)

    def __getitem__(self, place):
        """Logits of some images in one view: place is (view, rows)."""
        return self.logits[place]


def any_correct(teachers):
    """Bool [evaluation images]: what at least one of the teachers gets right; `teachers` is a dict of name to Teacher."""
    return np.any([teacher.correct for teacher in teachers.values()], axis=0)
