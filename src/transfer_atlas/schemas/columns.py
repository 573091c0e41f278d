"""Kinds of table columns, with units and what they mean in their metadata."""

import pyarrow as pa


def column(name, kind, description, unit=""):
    """A column of the Arrow type `kind`."""
    return pa.field(name, kind, metadata={"description": description, "unit": unit})


def share(name, description):
    """A fraction, 0 to 1 or a difference of such."""
    return column(name, pa.float64(), description, "fraction")


def bounds(name, description, unit=""):
    """The two bounds of a column: <name>_low and <name>_high."""
    return [
        column(f"{name}_{end}", pa.float32(), f"{word} 95 % bound, {description}", unit)
        for end, word in (("low", "lower"), ("high", "upper"))
    ]


def interval(name, description):
    """The two bounds of a share."""
    return bounds(name, description, "fraction")


def share_with_interval(name, description):
    """A share and the bounds of its Wilson interval."""
    return [share(name, description), *interval(name, "Wilson interval")]


def top_classes(percent):
    """Number, share and similarity of the classes that hold `percent` % of the positive flips."""
    return [
        column(
            f"top{percent}_classes",
            pa.int32(),
            f"fewest classes that hold {percent} % of the positive flips, by falling flips, then class id",
            "classes",
        ),
        share(f"top{percent}_class_share", f"top{percent}_classes / classes that have images"),
        column(
            f"top{percent}_similarity",
            pa.float32(),
            "mean cosine between these classes / mean cosine between all classes - 1; null below 2 classes",
        ),
    ]
