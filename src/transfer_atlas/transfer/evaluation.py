"""What is measured of a student after each epoch and at the end of a transfer."""

import numpy as np

from transfer_atlas.transfer.measures import describe_collapse, gain_and_loss, measure_transfer
from transfer_atlas.transfer.subsets import images_of
from transfer_atlas.transfer.weights import BestEpoch


class EpochEvaluation:
    """Measures a student after each epoch, and keeps its best epoch where the method sets images apart for that choice."""

    def __init__(self, spec, student, checkpoint, choose_best=True):
        """Prepare for a transfer with this TransferSpec, Student and Checkpoint; a stage of a sequence chooses no best epoch."""
        self.spec, self.student, self.stop = spec, student, checkpoint.stop
        self.best = BestEpoch() if spec.select_share and choose_best else None
        _, self.rows = images_of(spec, student.labels) if self.best else (None, None)  # kept apart to choose by

    def __call__(self, network, epoch):
        """Measure the student after `epoch` finished epochs: dict of column of the transfers table to number.

        The last epoch has no measures of its own: they are those of the transfer.
        """
        if self.best is not None:
            correct = self.student.evaluate_transfer_images(network, self.rows, self.stop)
            self.best.update(network, epoch, correct.mean())
        if not self.spec.evaluate_epochs or epoch == self.spec.epochs:
            return {}
        gain, loss = gain_and_loss(self.student.correct, self.student.evaluate(network, self.stop))
        return {"epoch_gain": float(gain), "epoch_loss": float(loss)}

    def best_network(self):
        """The student of the best epoch, in eval mode."""
        network = self.student.build().to(self.student.device)
        network.load_state_dict(self.best.state)
        return network.eval()

    def state_dict(self):
        """The state of the best epoch."""
        return {} if self.best is None else self.best.state_dict()

    def load_state_dict(self, saved):
        """Continue from `saved`."""
        if self.best is not None:
            self.best.load_state_dict(saved)


def evaluation_of(spec, student, checkpoint):
    """The EpochEvaluation of a transfer, or None where its method asks for no measures after an epoch."""
    return EpochEvaluation(spec, student, checkpoint) if spec.evaluate_epochs or spec.select_share else None


def measure_student(student, network, teacher_correct, checkpoint, history, evaluated=False):
    """The columns that measure what a transfer changed.

    Args:
        student: Student before the transfer.
        network: the student after it.
        teacher_correct: bool [evaluation images], what the teacher, or any of several teachers, predicts correctly; None for
            the controls.
        checkpoint: says when to stop.
        history: dict of per-epoch lists.
        evaluated: whether the lists of gain and loss after each epoch are there, and still lack the last epoch.
    """
    after = student.evaluate(network, checkpoint.stop)
    measures = measure_transfer(student.correct, after, teacher_correct, student.evaluation_labels)
    if evaluated:
        for name in ("gain", "loss"):
            history.setdefault(f"epoch_{name}", []).append(float(measures[name]))
    accuracies = measures["accuracy_before"], measures["accuracy_after"]
    return {
        "remark": describe_collapse(*accuracies, student.classes, measures["images"]),
        **measures,
        **history,
        "right_after": np.packbits(after).tobytes(),
    }
