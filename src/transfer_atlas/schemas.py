"""Schema of every Parquet table: columns, types, units and what they mean.

docs/results.md shows them, made by `python -m transfer_atlas.study.documentation`.
"""

import pyarrow as pa

# shares of the positive flips, in percent, whose classes are looked at (the paper's Fig. 2 and 5a)
TOP_PERCENTS = (2, 5, 20, 50)


def _column(name, kind, description, unit=""):
    return pa.field(name, kind, metadata={"description": description, "unit": unit})


def _share(name, description):
    return _column(name, pa.float64(), description, "fraction")


def _interval(name, description):
    bounds = (("low", "lower"), ("high", "upper"))
    return [
        _column(f"{name}_{end}", pa.float32(), f"{word} 95 % bound, {description}", "fraction") for end, word in bounds
    ]


def _share_with_interval(name, description):
    return [_share(name, description), *_interval(name, "Wilson interval")]


def _top_classes(percent):
    return [
        _column(
            f"top{percent}_classes",
            pa.int32(),
            f"fewest classes that hold {percent} % of the positive flips, by falling flips, then class id",
            "classes",
        ),
        _share(f"top{percent}_class_share", f"top{percent}_classes / classes that have images"),
        _column(
            f"top{percent}_similarity",
            pa.float32(),
            "mean cosine between these classes / mean cosine between all classes - 1; null below 2 classes",
        ),
    ]


_MODEL = [
    _column("model", pa.string(), "name of the model, `arch.tag`"),
]
_PAIR = [
    _column("student", pa.string(), "model that learns"),
    _column("teacher", pa.string(), "model that teaches; null for the controls, which have none"),
]

SCHEMAS = {
    "images": pa.schema(
        [
            _column("image", pa.string(), "id of the image: split of the data set and row"),
            _column("row", pa.int64(), "position in the data set, counted from 0 over all its files"),
            _column("label", pa.int32(), "class of the image"),
            _column(
                "file", pa.string(), "file of the image below its split's folder; missing in Parquet and tar files"
            ),
        ]
    ),
    "predictions": pa.schema(
        [
            _column("image", pa.string(), "id of the image"),
            _column("label", pa.int32(), "class of the image"),
            _column("prediction", pa.int32(), "class with the largest logit"),
            _column("correct", pa.bool_(), "prediction equals label"),
            _share("confidence", "largest softmax probability"),
            _share("label_probability", "softmax probability of the label"),
        ]
    ),
    "models": pa.schema(
        _MODEL
        + [
            _column("architecture", pa.string(), "timm model name or class"),
            _column("weights", pa.string(), "where the weights come from: train:<recipe>, hub, or a file"),
            _column("family", pa.string(), "convolution, transformer or mlp: the operator that mixes positions most"),
            _column("parameters", pa.int64(), "number of parameters"),
            _column("macs", pa.int64(), "multiply-accumulate operations of one forward pass", "per image"),
            _column("input_size", pa.int32(), "side of the evaluation crop", "pixels"),
            _column("crop_pct", pa.float64(), "share of the resized image that the crop keeps", "fraction"),
            _column("crop_mode", pa.string(), "how the image is brought to the crop, as in timm"),
            _column("interpolation", pa.string(), "resampling filter of the resize"),
            _column("mean", pa.list_(pa.float64()), "subtracted per channel from pixels in 0 to 1"),
            _column("std", pa.list_(pa.float64()), "divided by per channel"),
            _share("accuracy", "top-1 accuracy on the evaluation split"),
            _share("accuracy_standard_error", "binomial standard error of the accuracy"),
            _share("published_accuracy", "top-1 accuracy that the sheet says others report; null where it says none"),
            _column("excluded", pa.bool_(), "left out of all comparisons (on_error: exclude); accuracy is null"),
            _column(
                "remark", pa.string(), "why it was excluded, or what to look at; null where there is nothing to say"
            ),
        ]
    ),
    "classes": pa.schema(
        [
            _column("class", pa.int32(), "class id, as in labels and predictions"),
            _column("name", pa.string(), "name of the class; null where the data set names none"),
            _column("images", pa.int64(), "evaluation images of the class"),
        ]
    ),
    "complementarity": pa.schema(
        [
            _PAIR[0],
            _column("teacher", pa.string(), "model that might teach"),
            _share("student_accuracy", "top-1 accuracy of the student"),
            _share("teacher_accuracy", "top-1 accuracy of the teacher"),
            _share("accuracy_difference", "teacher minus student"),
            *_interval("accuracy_difference", "normal interval from the paired standard error"),
            *_share_with_interval("positive_flips", "student wrong and teacher right: the complementary knowledge"),
            *_share_with_interval("negative_flips", "student right and teacher wrong"),
            *_share_with_interval("both_right", "both right"),
            *_share_with_interval("both_wrong", "both wrong"),
            *_share_with_interval("same_prediction", "both predict the same class, right or wrong"),
            _column(
                "error_consistency",
                pa.float64(),
                "Cohen's kappa of being right or wrong: 1 same images wrong, 0 as independent errors; null where "
                "expected_agreement is 1",
            ),
            _share("expected_agreement", "both right or both wrong if errors were independent"),
            _share("independent_flips", "positive_flips if errors were independent"),
            *_share_with_interval("oracle_accuracy", "1 - both_wrong: a perfect chooser between the two"),
            *_share_with_interval(
                "confidence_accuracy",
                "choosing the more confident of the two, ties half and half; null without confidences",
            ),
            _column(
                "flip_entropy", pa.float64(), "entropy of the positive flips over classes, 0 without flips", "nats"
            ),
            _column("effective_classes", pa.float64(), "exp(flip_entropy), 0 without flips", "classes"),
            *(column for percent in TOP_PERCENTS for column in _top_classes(percent)),
            _column("images", pa.int64(), "evaluation images that the shares refer to"),
        ]
    ),
    "flips_by_class": pa.schema(
        [
            _column("example", pa.string(), "name of the example pair in complementarity.examples"),
            _PAIR[0],
            _column("teacher", pa.string(), "model that might teach"),
            _column("class", pa.int32(), "class id"),
            _column("images", pa.int64(), "evaluation images of the class"),
            _column("flips", pa.int64(), "of these, student wrong and teacher right", "images"),
            _share("share_of_flips", "flips / all positive flips of the pair"),
        ]
    ),
    "pairs": pa.schema(
        [*_PAIR, _column("chosen_by", pa.string(), "grid, file, or how it was chosen: stratified, top or random")]
    ),
    "transfers": pa.schema(
        [
            _column("method", pa.string(), "transfer method of the config"),
            *_PAIR,
            _column("seed", pa.int64(), "seed of the order of images"),
            _column(
                "remark",
                pa.string(),
                "why there is no result, with null in all measures, or what is odd about it; null for a sound transfer",
            ),
            _share("accuracy_before", "student's top-1 accuracy on the evaluation split before the transfer"),
            _share("accuracy_after", "the same after the last epoch"),
            _share("delta", "accuracy_after - accuracy_before = gain - loss"),
            _share("delta_standard_error", "paired standard error of delta, from the gain and loss counts"),
            _share("gain", "images wrong before and right after"),
            _share("loss", "images right before and wrong after"),
            _share("positive_flips", "student wrong before and teacher right; null without a teacher"),
            _share("transferred_flips", "the part of positive_flips that is right after"),
            _share("transfer_rate", "transferred_flips / positive_flips, sample by sample"),
            _share("positive_flips_after", "student wrong after and teacher right"),
            *(
                _share(
                    f"top{percent}_transfer_rate",
                    f"transfer_rate inside the classes that hold the top {percent} % of the positive flips",
                )
                for percent in TOP_PERCENTS
            ),
            *(
                _share(f"top{percent}_gain_share", "part of the gain that falls into these classes, whoever knew them")
                for percent in TOP_PERCENTS
            ),
            _column("images", pa.int64(), "evaluation images that the shares refer to"),
            _column("epoch_objective", pa.list_(pa.float64()), "mean training objective per epoch", "nats"),
            _column(
                "epoch_accuracy",
                pa.list_(pa.float64()),
                "student's accuracy on the transfer images, measured during the epoch",
                "fraction",
            ),
            _column(
                "epoch_teacher_share",
                pa.list_(pa.float64()),
                "share of the transfer images on which the teacher set the target",
                "fraction",
            ),
        ]
    ),
    "recommendations": pa.schema(
        [
            _column("student", pa.string(), "model that wants a teacher"),
            _column(
                "method", pa.string(), "transfer method, the most promising first; null before any transfer is done"
            ),
            _column("rank", pa.int32(), "place of the teacher, 1 for the best"),
            _column("teacher", pa.string(), "model that might teach"),
            _share("expected_delta", "what a transfer is expected to give; null before any transfer is done"),
            _share("expected_low", "lower 95 % bound of it, without measurement error"),
            _share("expected_high", "upper 95 % bound of it, without measurement error"),
            _share("measured_delta", "mean delta over seeds where this transfer was done, else null"),
            _share("positive_flips", "student wrong and teacher right: the complementary knowledge"),
            _share("accuracy_difference", "teacher minus student"),
            _column(
                "teacher_macs",
                pa.int64(),
                "what the teacher costs: multiply-accumulates of a forward pass",
                "per image",
            ),
        ]
    ),
    "recommendation_checks": pa.schema(
        [
            _column("method", pa.string(), "transfer method"),
            _column("left_out", pa.string(), "what the model had not seen: student or teacher"),
            _column("rule", pa.string(), "how the teacher is chosen: recommended, or a rule of thumb"),
            _column("students", pa.int64(), "students with at least two teachers"),
            _column(
                "rank_correlation", pa.float64(), "Spearman's rho with the delta within a student, mean over students"
            ),
            _share("regret", "delta of the best teacher less that of the chosen one, mean over students"),
            _share("more_regret", "regret less that of the recommended choice, mean over students"),
            _share("more_regret_standard_error", "standard error of more_regret over students"),
        ]
    ),
}
