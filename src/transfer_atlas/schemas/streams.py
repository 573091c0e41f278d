"""Schemas of the tables that streams of teachers end in."""

import pyarrow as pa

from transfer_atlas.schemas.columns import column, share
from transfer_atlas.schemas.transfers import JUDGED, MEASURES, PAIR, RIGHT_AFTER, TRANSFER

_STREAM = [
    column("way", pa.string(), "how the next teacher is chosen, or what takes the teachers' place: labels or soup"),
    TRANSFER[0],
    PAIR[0],
    TRANSFER[-1],
]

_STREAM_ROW = [
    *_STREAM,
    column(
        "teachers",
        pa.list_(pa.string()),
        "teachers of the stages that were kept, in their order; null without a result",
    ),
    column(
        "epochs", pa.int32(), "passes over the transfer images in all, stages that were not kept included", "epochs"
    ),
    column("apart_images", pa.int64(), "transfer images that are kept apart"),
    share("apart_accuracy_before", "student's accuracy on these before the stream; selected_accuracy is that after it"),
]

_STAGE = [
    column("teachers", pa.list_(pa.string()), "teachers of the stage: one, none for labels, several for a soup"),
    column("kept", pa.bool_(), "whether the student is used as the stage left it; else it stays as it was"),
    column("p", pa.float64(), "one-sided mid-p of McNemar's test on the images kept apart"),
    share("apart_gain", "images kept apart: wrong before the stage and right after"),
    share("apart_loss", "images kept apart: right before the stage and wrong after"),
]

STREAM_SCHEMAS = {
    "stream": pa.schema(
        [
            *_STREAM_ROW,
            *(
                column(
                    f"stage_{field.name}",
                    pa.list_(field.type),
                    f"of each stage: {field.metadata[b'description'].decode()}",
                )
                for field in _STAGE
            ),
            column("stage_right", pa.list_(pa.binary()), "of each stage: which evaluation images are right after it"),
            *MEASURES,
            column(
                "right_before", pa.binary(), "whether each evaluation image is right at first, one bit each in order"
            ),
            RIGHT_AFTER,
        ]
    ),
    "streams": pa.schema([*_STREAM_ROW, *MEASURES, *JUDGED]),
    "stages": pa.schema(
        [
            *_STREAM,
            column("stage", pa.int32(), "number of the stage, from 1"),
            *_STAGE,
            share("gain", "evaluation images wrong before the stage and right after"),
            share("loss", "evaluation images right before the stage and wrong after"),
            share("delta", "gain - loss: what the stage adds net"),
            share("delta_standard_error", "paired standard error of delta"),
            share(
                "teacher_flips",
                "student wrong before the stage and a teacher of the stage right; null without a teacher",
            ),
            share("transferred_flips", "the part of teacher_flips that is right after the stage"),
        ]
    ),
    "ledger": pa.schema(
        [
            *_STREAM,
            column("image", pa.string(), "id of the evaluation image"),
            column("label", pa.int32(), "class of the image"),
            column("known_by", pa.list_(pa.string()), "teachers of the stages that are right on it, in their order"),
            column("right_before", pa.bool_(), "the student is right before the stream"),
            column("gained_stage", pa.int32(), "first stage that turned it from wrong to right; null if none did"),
            column("gained_from", pa.list_(pa.string()), "teachers of that stage"),
            column("teacher_knew", pa.bool_(), "whether one of these is right on it"),
            column("lost_stage", pa.int32(), "last stage that turned it from right to wrong; null if none did"),
            column("right_after", pa.bool_(), "the student is right after the stream"),
        ]
    ),
    "strategies": pa.schema(
        [
            PAIR[0],
            TRANSFER[-1],
            column(
                "strategy",
                pa.string(),
                "way of a stream; or, of the transfers from one teacher: `single`, the best on the images kept apart, "
                "`single_accurate`, from the most accurate teacher, `single_hindsight`, the best on the evaluation images; "
                "`oracle`, all that a teacher knows",
            ),
            column("teachers", pa.list_(pa.string()), "models that taught; empty where the student stays as it was"),
            column("epochs", pa.int32(), "passes over the transfer images, those of what was tried included", "epochs"),
            share("accuracy_before", "student's accuracy on the evaluation images before"),
            share("gain", "images wrong before and right after"),
            share("loss", "images right before and wrong after"),
            share("delta", "gain - loss"),
            share("delta_standard_error", "paired standard error of delta, and the rounding error where it is known"),
            *JUDGED,
        ]
    ),
}
