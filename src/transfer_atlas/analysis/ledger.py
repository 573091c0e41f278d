"""What became of each evaluation image in a stream of teachers, and what each teacher added."""

from itertools import pairwise

import numpy as np
import pandas as pd

from transfer_atlas.analysis.rounding import p_of_change, rounding_errors
from transfer_atlas.statistics import false_discovery_rate, paired_standard_error

STREAM = ["way", "method", "student", "seed"]


def describe_streams(streams, singles):
    """The streams table: whether the gain or loss of each stream is significant.

    Args:
        streams: rows of the stream table.
        singles: rows of the transfer table, for the rounding error.
    """
    p = p_of_change(
        streams["gain"], streams["loss"], streams["images"], streams["student"].map(rounding_errors(singles))
    )
    return streams.assign(p=p, q=false_discovery_rate(p))


def describe_stages(streams, right_of):
    """The stages table: a row per stage, those that were not kept included.

    Args:
        streams: rows of the stream table.
        right_of: dict of teacher to bool [evaluation images].
    """
    rows = []
    for stream in _with_a_result(streams):
        before = unpack(stream.right_before, stream.images)
        for number, stage in enumerate(_stages_of(stream), start=1):
            after = unpack(stage.pop("right"), stream.images)
            gain, loss = (~before & after).mean(), (before & ~after).mean()
            flips = ~before & _any_right(stage["teachers"], right_of, stream.images)
            known = {"teacher_flips": flips.mean(), "transferred_flips": (flips & after).mean()}
            rows.append(
                {column: getattr(stream, column) for column in STREAM}
                | {"stage": number, **stage, "gain": gain, "loss": loss, "delta": gain - loss}
                | {"delta_standard_error": paired_standard_error(gain, loss, stream.images)}
                | (known if len(stage["teachers"]) else {})
            )
            before = after if stage["kept"] else before
    return pd.DataFrame(rows)


def describe_ledger(streams, right_of, predictions):
    """The ledger, stream by stream: who knew each evaluation image, when it was gained, from whom, whether it was lost again.

    Args:
        streams: rows of the stream table.
        right_of: as in `describe_stages`.
        predictions: predictions table of any model, for the images and their labels.

    Yields:
        DataFrames with a row per image; stages that were not kept count for nothing.
    """
    for stream in _with_a_result(streams):
        stages = [stage for stage in _stages_of(stream) if stage["kept"]]
        names = [list(stage["teachers"]) for stage in stages]
        bits = [stream.right_before, *(stage["right"] for stage in stages)]
        right = np.stack([unpack(of_stage, stream.images) for of_stage in bits])  # [stages + 1, images]
        first_gain, last_loss = np.zeros((2, stream.images), int)  # 0 for never
        for number, (was, now) in enumerate(pairwise(right), start=1):
            first_gain[~was & now & (first_gain == 0)] = number
            last_loss[was & ~now] = number
        knew = [_any_right(of_stage, right_of, stream.images) for of_stage in names]
        table = predictions[["image", "label"]].assign(
            known_by=_known_by(names, right_of, stream.images),
            right_before=right[0],
            gained_stage=pd.Series(first_gain, dtype="Int32").replace(0, pd.NA),
            gained_from=[names[stage - 1] if stage else None for stage in first_gain],
            teacher_knew=[knew[stage - 1][image] if stage else None for image, stage in enumerate(first_gain)],
            lost_stage=pd.Series(last_loss, dtype="Int32").replace(0, pd.NA),
            right_after=right[-1],
        )
        yield table.assign(**{column: getattr(stream, column) for column in STREAM})


def unpack(bits, images):
    """Bool [images] of packed bits."""
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=images).astype(bool)


def _with_a_result(streams):
    return streams.dropna(subset=["delta"]).itertuples()


def _stages_of(stream):
    """A dict for each stage: the columns `stage_<name>` of a stream by name."""
    columns = {
        name.removeprefix("stage_"): getattr(stream, name) for name in stream._fields if name.startswith("stage_")
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _any_right(names, right_of, images):
    """Bool [images]: at least one of these teachers predicts the image correctly."""
    return np.any([right_of[name] for name in names], axis=0) if len(names) else np.zeros(images, bool)


def _known_by(names, right_of, images):
    """For each image, the teachers that predict it correctly, in the order of the stages and without repetition."""
    teachers = list(dict.fromkeys(name for of_stage in names for name in of_stage))
    right = np.array([right_of[name] for name in teachers]).reshape(len(teachers), images)
    # few combinations of teachers, many images
    combinations, place = np.unique(right.T, axis=0, return_inverse=True)
    known = [[name for name, knows in zip(teachers, row, strict=True) if knows] for row in combinations]
    return [known[at] for at in place.ravel()]
