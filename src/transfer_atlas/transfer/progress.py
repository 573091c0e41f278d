"""The state of a training: all that a checkpoint saves."""

from dataclasses import dataclass, field

import numpy as np
import torch

PLAIN = ("epoch", "step", "objectives", "right", "taught", "history", "order")


@dataclass
class Progress:
    """All that a training loop changes; `state_dict` and `load_state_dict` as in torch.

    `slow` and `best` are anything else with such methods, or None. `epoch` and `step` count what is done, `objectives`, `right` and
    `taught` are sums over the images of the epoch, and `order` is the state of `generator` before it drew their order.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    generator: np.random.Generator
    device: torch.device
    slow: object = None
    best: object = None
    epoch: int = 0
    step: int = 0
    objectives: float | torch.Tensor = 0.0
    right: int | torch.Tensor = 0
    taught: int | torch.Tensor = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        """Remember how the first epoch's order starts."""
        self.order = self.generator.bit_generator.state

    def add(self, objectives, right, taught):
        """Count one step: the sum of its images' objectives, how many were right, on how many a teacher set the target."""
        self.objectives, self.right = self.objectives + objectives, self.right + right
        self.taught, self.step = self.taught + taught, self.step + 1

    def end_epoch(self, **measures):
        """Add one epoch's measures to the history and start the next."""
        for name, value in measures.items():
            self.history.setdefault(name, []).append(value)
        self.epoch, self.step = self.epoch + 1, 0
        self.objectives, self.right, self.taught = 0.0, 0, 0
        self.order = self.generator.bit_generator.state

    @property
    def done(self):
        """In words."""
        return f"{self.epoch} epochs and {self.step} steps"

    def _parts(self):
        """What has a state of its own, by name."""
        parts = {name: getattr(self, name) for name in ("model", "optimizer", "slow", "best")}
        return [(name, part) for name, part in parts.items() if part is not None]

    def state_dict(self):
        """Tensors, numbers and text only, so that it loads without trusting the file."""
        plain = {name: getattr(self, name) for name in PLAIN}
        cuda = torch.cuda.get_rng_state(self.device) if torch.device(self.device).type == "cuda" else None
        return plain | {
            **{name: part.state_dict() for name, part in self._parts()},
            "random": torch.get_rng_state(),
            "cuda_random": cuda,
        }

    def load_state_dict(self, saved):
        """Go on where `saved` stands, random numbers included."""
        for name in PLAIN:
            setattr(self, name, saved[name])
        for name, part in self._parts():
            part.load_state_dict(saved[name])
        self.generator.bit_generator.state = self.order
        torch.set_rng_state(saved["random"])
        if saved["cuda_random"] is not None:
            torch.cuda.set_rng_state(saved["cuda_random"], self.device)
