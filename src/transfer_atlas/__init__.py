"""What a pretrained image classifier knows that another does not, and how much of it can be handed over."""

from importlib.metadata import version

__version__ = version("transfer-atlas")
