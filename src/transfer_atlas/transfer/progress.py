"""The state of a training: all that a checkpoint saves."""

from dataclasses import dataclass, field

import numpy as np
import torch

# attributes that are plain values or tensors without a state_dict of their own
VALUES = ("epoch", "step", "loss", "correct", "teacher_share", "history", "order")


@dataclass
class Progress:
    """How far a training has come; `state_dict` and `load_state_dict` as in torch.

    Attributes:
        lesson: Lesson whose networks are trained.
        optimizer: optimizer of the lesson's parameters.
        generator: draws the order of the images.
        device: where the networks are.
        slow: SlowWeights, or None.
        evaluation: EpochEvaluation, or None.
        epoch: number of finished epochs.
        step: number of finished steps of the current epoch.
        loss: sum of the losses over the images of the current epoch.
        correct: number of these images that the student predicted correctly.
        teacher_share: sum of the teacher's shares of their targets.
        history: dict of per-epoch lists.
        order: state of `generator` before it drew the order of the current epoch.
    """

    lesson: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: np.random.Generator
    device: torch.device
    slow: object = None
    evaluation: object = None
    epoch: int = 0
    step: int = 0
    loss: float | torch.Tensor = 0.0
    correct: int | torch.Tensor = 0
    teacher_share: float | torch.Tensor = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        """Remember the generator's state before the first epoch."""
        self.order = self.generator.bit_generator.state

    def add(self, loss, correct, teacher_share):
        """Count one step, whose sums over its images these are."""
        self.loss, self.correct = self.loss + loss, self.correct + correct
        self.teacher_share, self.step = self.teacher_share + teacher_share, self.step + 1

    def end_epoch(self, **measures):
        """Add one epoch's measures to the history and start the next epoch."""
        for name, value in measures.items():
            self.history.setdefault(name, []).append(value)
        self.epoch, self.step = self.epoch + 1, 0
        self.loss, self.correct, self.teacher_share = 0.0, 0, 0
        self.order = self.generator.bit_generator.state

    @property
    def done(self):
        """How far the training has come, in words."""
        return f"{self.epoch} epochs and {self.step} steps"

    def _parts(self):
        """(name, part) of everything that has a state_dict of its own."""
        parts = {name: getattr(self, name) for name in ("lesson", "optimizer", "slow", "evaluation")}
        return [(name, part) for name, part in parts.items() if part is not None]

    def state_dict(self):
        """Tensors, numbers and text only, so that the file loads without being trusted."""
        values = {name: getattr(self, name) for name in VALUES}
        cuda = torch.cuda.get_rng_state(self.device) if torch.device(self.device).type == "cuda" else None
        return values | {
            **{name: part.state_dict() for name, part in self._parts()},
            "random": torch.get_rng_state(),
            "cuda_random": cuda,
        }

    def load_state_dict(self, saved):
        """Continue from `saved`, random numbers included."""
        for name in VALUES:
            setattr(self, name, saved[name])
        for name, part in self._parts():
            part.load_state_dict(saved[name])
        self.generator.bit_generator.state = self.order
        torch.set_rng_state(saved["random"])
        if saved["cuda_random"] is not None:
            torch.cuda.set_rng_state(saved["cuda_random"], self.device)
