"""What a transfer depends on, and its learning rate."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TransferSpec:
    """Everything that one transfer depends on; fields as in config/README.md, formula in docs/method.md.

    `teacher` is None for the controls; `target` is None where only the labels teach.
    """

    method: str
    student: str
    teacher: str | None
    seed: int
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    batch_norm: str
    schedule: str = "constant"
    warmup_epochs: float = 0
    clip_gradient: float = 0
    target: str | None = None
    confidence: str | None = None
    calibrate: bool = False
    label_weight: float = 0.0
    label_smoothing: float = 0.0
    temperature: float = 1.0
    top_k: int = 0
    double_softmax: bool = False
    spare_right: bool = False
    slow_weights: dict | None = None
    contrast: dict | None = None
    teacher_evaluated_on: str = "own_input"
    optimizer: str = "sgd"
    image_share: float = 1.0
    select_share: float = 0.0
    evaluate_epochs: bool = False
    first_view: int = 0
    perturb_weights: float = 0.0

    @property
    def order_seed(self):
        """Seed of the order of images: of repetitions with perturbed weights all have the same, for only the weights differ."""
        return 0 if self.perturb_weights else self.seed

    def __str__(self):
        """The formula of the training loss, for the log."""
        parts = []
        if self.target:
            calibrated = ", calibrated" if self.calibrate else ""
            chosen = f"{self.target}({self.confidence}{calibrated})" if self.confidence else self.target
            among = f" among its {self.top_k} first classes" if self.top_k else ""
            among += " unless the student alone is right" if self.spare_right else ""
            parts.append(f"{1 - self.label_weight:g} T^2 KL({chosen} || student){among}, T = {self.temperature:g}")
        if self.label_weight:
            smoothed = f", smoothing {self.label_smoothing:g}" if self.label_smoothing else ""
            smoothed += ", softmax twice" if self.double_softmax else ""
            parts.append(f"{self.label_weight:g} cross-entropy(labels{smoothed})")
        if self.contrast:
            parts.append("{weight:g} {loss} of features".format(**self.contrast))
        if self.perturb_weights:
            parts.append(f"weights perturbed by {self.perturb_weights:g} of themselves")
        if self.slow_weights:
            slow = "slow weights: tau {tau:g} every {every_images} images".format(**self.slow_weights)
            parts.append(
                slow + (", the student reset to them after each epoch" if self.slow_weights.get("reset") else "")
            )
        return f"{self.method} {self.teacher or 'no teacher'} -> {self.student}, seed {self.seed}: {' + '.join(parts)}"


def learning_rate(spec, epochs_done):
    """Learning rate of a step; a function of what is done alone, so that a resumed transfer needs no state for it."""
    if epochs_done < spec.warmup_epochs:
        return spec.lr * epochs_done / spec.warmup_epochs
    if spec.schedule == "constant":
        return spec.lr
    falling = (epochs_done - spec.warmup_epochs) / (spec.epochs - spec.warmup_epochs)
    return spec.lr * (1 + math.cos(math.pi * falling)) / 2
