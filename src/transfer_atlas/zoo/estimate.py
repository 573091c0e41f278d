"""The cost of a study before anything runs: images, disk and hours, computed from the multiply-accumulates of its networks."""

from collections import Counter

import pandas as pd

from transfer_atlas.zoo.anatomy import dissect

# sustained arithmetic of a device, only to turn operations into hours; a GPU of today reaches this in float32 and more in bfloat16
TERA_FLOPS = 10
START_SECONDS = 5  # on one core: benchmarks/start_up.py
# a training step costs a forward pass and about twice that backwards
STEP = 3


def estimate_study(rows, geometries, images, views, classes, top, trainings):
    """Estimate images looked at, gigabytes on disk and hours of compute per stage.

    Args:
        rows: dict of model to its sheet row.
        geometries: dict of model to its evaluation geometry.
        images: dict of split (train, evaluation, transfer) to its number of images.
        views: views of each transfer image.
        classes: number of classes.
        top: how many logits of an image are kept, 0 for all.
        trainings: list of (student, epochs, share of the transfer images), one per transfer.

    Returns:
        Text of a few lines. Hours come from multiply-accumulates at a rate that the text states.
    """
    sides = {tuple(sorted(geometry.items())): geometry["input_size"] for geometry in geometries.values()}
    table = _table(rows, geometries, sides.values(), images, views, classes, top, trainings)
    return "\n".join(
        [
            f"{len(rows)} models, {len(sides)} evaluation geometry(s), "
            + ", ".join(f"{count:,} {split} images" for split, count in images.items()),
            table.to_string(index=False, float_format="{:,.3g}".format, na_rep=""),
            f"hours: of one device that sustains {TERA_FLOPS} TFLOP/s, from multiply-accumulates; not measured here",
            f"not counted: the training of models, and the start of each process, about {START_SECONDS} s for torch and timm; "
            "in a small study that is most of the time",
            "",
        ]
    )


def _table(rows, geometries, sides, images, views, classes, top, trainings):
    """Jobs, gigabytes and hours of each stage; `sides` are those of the geometries in pixels."""
    anatomy = {model: dissect(row, classes, geometries[model]["input_size"])[1] for model, row in rows.items()}
    macs = {model: parts.macs for model, parts in anatomy.items()}
    fetched = [parts.parameters for model, parts in anatomy.items() if rows[model]["weights"] == "hub"]
    passes = images["evaluation"] + views * images["transfer"]
    pixels = sum((images["evaluation"] + images["transfer"]) * 3 * side**2 for side in sides)
    steps = Counter()
    for student, epochs, share in trainings:
        steps[student] += STEP * epochs * share * images["transfer"] + images["evaluation"]
    return pd.DataFrame(
        {
            "stage": ["weights of the hub", "decoded images", "logits", "transfers"],
            "jobs": [len(fetched), 2 * len(sides), len(rows), len(trainings)],
            "GB": [4 * sum(fetched) / 1e9, pixels / 1e9, len(rows) * passes * _bytes(classes, top) / 1e9, 0.0],
            "hours": [
                *[float("nan")] * 2,
                _hours(sum(macs.values()) * passes),
                _hours(sum(macs[student] * count for student, count in steps.items())),
            ],
        }
    )


def _bytes(classes, top):
    """Of one image and view, as `logits.storage` has them."""
    return 4 * top + 2 if 0 < top < classes else 2 * classes


def _hours(macs):
    return 2 * macs / (TERA_FLOPS * 1e12) / 3600
