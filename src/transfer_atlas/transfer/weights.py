"""Weights that a training keeps beside the student's own: their moving average, and those of the best epoch.

Also the small perturbation that a training may start from, which measures what rounding does to its result.
"""

import torch


def perturb_weights(network, size, seed):
    """Multiply each weight of a network by 1 + size * z in place, z standard normal.

    At 1e-7, the spacing of float32, this is the kind of difference that another processor's order of additions makes.

    Args:
        network: the network, on the CPU.
        size: standard deviation of the relative perturbation; 0 perturbs nothing.
        seed: seed of z.
    """
    if not size:
        return
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + size * torch.randn(weight.shape, generator=generator))


class SlowWeights:
    """A moving average of a network's weights and floating-point buffers (momentum weight interpolation, MCL).

    Integer buffers have no average and are copied.
    """

    def __init__(self, model, tau, every_images, reset=False):
        """Start at the weights of `model`.

        Args:
            model: the network.
            tau: share of itself that the average keeps at each update.
            every_images: number of training images between two updates.
            reset: whether the student is set to the average after each epoch, as in the authors' code.
        """
        self.tau, self.every_images, self.reset, self.images = tau, every_images, reset, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def follow(self, model, images):
        """Count one step of `images` images and apply the updates that are due."""
        due = (self.images + images) // self.every_images - self.images // self.every_images
        self.images += images
        if due:
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value.detach(), 1 - self.tau**due)
                else:
                    self.state[name].copy_(value)

    def state_dict(self):
        """The average, and the number of images counted."""
        return {"state": self.state, "images": self.images}

    def load_state_dict(self, saved):
        """Continue from `saved`."""
        self.images = saved["images"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


class BestEpoch:
    """The weights of the epoch with the highest accuracy so far; of several equal ones, the first."""

    def __init__(self):
        """Start before the first epoch."""
        self.accuracy, self.epoch, self.state = -1.0, 0, None

    def update(self, network, epoch, accuracy):
        """Keep a copy of the network's weights if its accuracy after `epoch` finished epochs is the highest so far."""
        if accuracy > self.accuracy:
            self.accuracy, self.epoch = accuracy, epoch
            self.state = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

    def state_dict(self):
        """Accuracy, epoch and weights."""
        return {"accuracy": self.accuracy, "epoch": self.epoch, "state": self.state}

    def load_state_dict(self, saved):
        """Continue from `saved`."""
        self.accuracy, self.epoch, self.state = saved["accuracy"], saved["epoch"], saved["state"]
