"""The epoch after which a student is best, on images that it neither learns from nor is judged on."""


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
