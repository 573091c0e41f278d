"""Weights that a training keeps beside the student's own: a moving average, and those of the best epoch."""


class SlowWeights:
    """A moving average of a network's weights and floating-point buffers (momentum weight interpolation, MCL).

    Integer buffers are copied, for they have no average.
    """

    def __init__(self, model, tau, every_images, reset=False):
        """Start at the weights of `model`; every `every_images` images the average keeps a share `tau` of itself.

        With `reset` the student goes back to the average after each epoch, as in the authors' code.
        """
        self.tau, self.every_images, self.reset, self.images = tau, every_images, reset, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def follow(self, model, images):
        """Count one step of `images` images, and interpolate as often as that makes due."""
        due = (self.images + images) // self.every_images - self.images // self.every_images
        self.images += images
        if due:
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value.detach(), 1 - self.tau**due)
                else:
                    self.state[name].copy_(value)

    def state_dict(self):
        """The average and the images counted."""
        return {"state": self.state, "images": self.images}

    def load_state_dict(self, saved):
        """Go on from `saved`."""
        self.images = saved["images"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


class BestEpoch:
    """The weights of the best epoch so far; of equals the first."""

    def __init__(self, accuracy_of):
        """`accuracy_of` is a function of the student in eval mode to its accuracy on the images to choose by."""
        self.accuracy_of, self.accuracy, self.epoch, self.state = accuracy_of, -1.0, 0, None

    def see(self, network, epoch):
        """Look at the student after an epoch, counted from 1."""
        accuracy = self.accuracy_of(network)
        if accuracy > self.accuracy:
            self.accuracy, self.epoch = accuracy, epoch
            self.state = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

    def state_dict(self):
        """All of it."""
        return {"accuracy": self.accuracy, "epoch": self.epoch, "state": self.state}

    def load_state_dict(self, saved):
        """Go on from `saved`."""
        self.accuracy, self.epoch, self.state = saved["accuracy"], saved["epoch"], saved["state"]
