"""A slowly moving average of a network."""


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
