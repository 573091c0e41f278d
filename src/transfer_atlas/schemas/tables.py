"""Schema of every Parquet table: columns, types, units and what they mean.

docs/results.md shows them, made by `python -m transfer_atlas.tools.documentation`.
"""

import pyarrow as pa

from transfer_atlas.schemas.columns import bounds, column, interval, share, share_with_interval, top_classes
from transfer_atlas.schemas.streams import STREAM_SCHEMAS
from transfer_atlas.schemas.transfers import PAIR, TRANSFER_SCHEMAS
from transfer_atlas.statistics import TOP_PERCENTS

SCHEMAS = {
    "images": pa.schema(
        [
            column("image", pa.string(), "id of the image: split of the data set and row"),
            column("row", pa.int64(), "position in the data set, counted from 0 over all its files"),
            column("label", pa.int32(), "class of the image"),
            column("file", pa.string(), "file of the image below its split's folder; missing in Parquet and tar files"),
        ]
    ),
    "predictions": pa.schema(
        [
            column("image", pa.string(), "id of the image"),
            column("label", pa.int32(), "class of the image"),
            column("prediction", pa.int32(), "class with the largest logit"),
            column("correct", pa.bool_(), "prediction equals label"),
            share("confidence", "largest softmax probability"),
            share("label_probability", "softmax probability of the label"),
        ]
    ),
    "models": pa.schema(
        [
            column("model", pa.string(), "name of the model"),
            column("architecture", pa.string(), "timm model name or class"),
            column("weights", pa.string(), "where the weights come from: train:<recipe>, hub, or a file"),
            column("family", pa.string(), "convolution, transformer or mlp: the operator that mixes positions most"),
            column("parameters", pa.int64(), "number of parameters"),
            column("macs", pa.int64(), "multiply-accumulate operations of one forward pass", "per image"),
            column("input_size", pa.int32(), "side of the evaluation crop", "pixels"),
            column("crop_pct", pa.float64(), "share of the resized image that the crop keeps", "fraction"),
            column("crop_mode", pa.string(), "how the image is brought to the crop, as in timm"),
            column("interpolation", pa.string(), "resampling filter of the resize"),
            column("mean", pa.list_(pa.float64()), "subtracted per channel from pixels in 0 to 1"),
            column("std", pa.list_(pa.float64()), "divided by per channel"),
            share("accuracy", "top-1 accuracy on the evaluation split"),
            share("accuracy_standard_error", "binomial standard error of the accuracy"),
            share("published_accuracy", "top-1 accuracy that the sheet says others report; null where it says none"),
            column("excluded", pa.bool_(), "left out of all comparisons (on_error: exclude); accuracy is null"),
            column(
                "remark", pa.string(), "why it was excluded, or what to look at; null where there is nothing to say"
            ),
        ]
    ),
    "classes": pa.schema(
        [
            column("class", pa.int32(), "class id, as in labels and predictions"),
            column("name", pa.string(), "name of the class; null where the data set names none"),
            column("images", pa.int64(), "evaluation images of the class"),
        ]
    ),
    "accepted_labels": pa.schema(
        [
            column("image", pa.string(), "id of the image"),
            column("accepted", pa.list_(pa.int32()), "classes that count as right; empty where none was accepted"),
        ]
    ),
    "complementarity": pa.schema(
        [
            PAIR[0],
            column("teacher", pa.string(), "model that might teach"),
            column("same_network", pa.bool_(), "one network twice, as complementarity.same_network in the config says"),
            share("student_accuracy", "top-1 accuracy of the student"),
            share("teacher_accuracy", "top-1 accuracy of the teacher"),
            share("accuracy_difference", "teacher minus student"),
            *interval("accuracy_difference", "normal interval from the paired standard error"),
            column(
                "accuracy_difference_p", pa.float64(), "two-sided exact McNemar p of positive against negative flips"
            ),
            column(
                "accuracy_difference_q",
                pa.float32(),
                "this p by false discovery rate over all pairs (Benjamini-Hochberg); with more than 1,414 models up to 1/65,536 too large",
            ),
            *share_with_interval("positive_flips", "student wrong and teacher right: the complementary knowledge"),
            *share_with_interval("negative_flips", "student right and teacher wrong"),
            share(
                "accepted_flips",
                "no accepted class predicted by the student and one by the teacher, of accepted_images; null without them",
            ),
            share(
                "student_accepted", "of the positive flips on accepted_images, the student's prediction accepted too"
            ),
            *share_with_interval("both_right", "both right"),
            *share_with_interval("both_wrong", "both wrong"),
            *share_with_interval("same_prediction", "both predict the same class, right or wrong"),
            share("expected_flips", "positive_flips if errors were independent given the difficulty of each image"),
            column("flips_over_expected", pa.float64(), "positive_flips / expected_flips; null below 6 models"),
            *bounds("flips_over_expected", "from the spread of flips under the null"),
            column(
                "flips_over_expected_q",
                pa.float32(),
                "false discovery rate over all pairs at which it differs from 1 (two-sided); with more than 1,414 models as above",
            ),
            share("difficulty_agreement", "both right or both wrong if independent given the difficulty of each image"),
            column(
                "error_consistency",
                pa.float64(),
                "Cohen's kappa of being right or wrong: 1 same images wrong, 0 as independent errors; null where "
                "expected_agreement is 1",
            ),
            *bounds("error_consistency", "normal, from the variance of kappa"),
            share("expected_agreement", "both right or both wrong if errors were independent"),
            share("independent_flips", "positive_flips if errors were independent"),
            column(
                "error_consistency_unbiased", pa.float64(), "error_consistency without the bias of its chance agreement"
            ),
            column("error_consistency_lowest", pa.float32(), "smallest that two models of these accuracies can have"),
            column("error_consistency_highest", pa.float32(), "largest that two models of these accuracies can have"),
            column(
                "chance_adjusted_similarity",
                pa.float64(),
                "agreement of predicted classes: 0 as by chance at these accuracies, 1 equal (CAPA)",
            ),
            *share_with_interval("oracle_accuracy", "1 - both_wrong: a perfect chooser between the two"),
            *share_with_interval(
                "confidence_accuracy",
                "choosing the more confident of the two, ties half and half; null without confidences",
            ),
            column("flip_entropy", pa.float64(), "entropy of the positive flips over classes, 0 without flips", "nats"),
            column("effective_classes", pa.float64(), "exp(flip_entropy), 0 without flips", "classes"),
            *(field for percent in TOP_PERCENTS for field in top_classes(percent)),
            column("images", pa.int64(), "evaluation images that the shares refer to"),
            column("accepted_images", pa.int64(), "of these, images with an accepted label; null without such labels"),
        ]
    ),
    "flips_by_class": pa.schema(
        [
            column("example", pa.string(), "name of the example pair in complementarity.examples"),
            PAIR[0],
            column("teacher", pa.string(), "model that might teach"),
            column("class", pa.int32(), "class id"),
            column("images", pa.int64(), "evaluation images of the class"),
            column("flips", pa.int64(), "of these, student wrong and teacher right", "images"),
            share("share_of_flips", "flips / all positive flips of the pair"),
        ]
    ),
    "pairs": pa.schema(
        [*PAIR, column("chosen_by", pa.string(), "grid, file, or how it was chosen: stratified, top or random")]
    ),
    "recommendations": pa.schema(
        [
            column("student", pa.string(), "model that wants a teacher"),
            column(
                "method", pa.string(), "transfer method, the most promising first; null before any transfer is done"
            ),
            column("rank", pa.int32(), "place of the teacher, 1 for the best"),
            column("teacher", pa.string(), "model that might teach"),
            share("expected_delta", "what a transfer is expected to give; null before any transfer is done"),
            share("expected_low", "lower 95 % bound of it, without measurement error"),
            share("expected_high", "upper 95 % bound of it, without measurement error"),
            share("measured_delta", "mean delta over seeds where this transfer was done, else null"),
            share("positive_flips", "student wrong and teacher right: the complementary knowledge"),
            column(
                "flips_over_expected",
                pa.float64(),
                "positive_flips over those of independent errors given the difficulty of each image",
            ),
            share("accuracy_difference", "teacher minus student"),
            column(
                "teacher_macs",
                pa.int64(),
                "what the teacher costs: multiply-accumulates of a forward pass",
                "per image",
            ),
        ]
    ),
    "expected_deltas": pa.schema(
        [
            PAIR[0],
            column("teacher", pa.string(), "model that might teach"),
            column("method", pa.string(), "the transfer method that is expected to give this student most"),
            share("expected_delta", "what the transfer is expected to give"),
            share("expected_low", "lower 95 % bound of it, without measurement error"),
            share("expected_high", "upper 95 % bound of it, without measurement error"),
        ]
    ),
    "recommendation_checks": pa.schema(
        [
            column("method", pa.string(), "transfer method"),
            column("left_out", pa.string(), "what the model had not seen: student or teacher"),
            column("rule", pa.string(), "how the teacher is chosen: recommended, or a rule of thumb"),
            column("students", pa.int64(), "students with at least two teachers"),
            column(
                "rank_correlation", pa.float64(), "Spearman's rho with the delta within a student, mean over students"
            ),
            share("regret", "delta of the best teacher less that of the chosen one, mean over students"),
            share("more_regret", "regret less that of the recommended choice, mean over students"),
            share("more_regret_standard_error", "standard error of more_regret over students"),
        ]
    ),
    "output_similarity": pa.schema(
        [
            *PAIR,
            column(
                "output_agreement",
                pa.float64(),
                "linear CKA of the softmaxes on the transfer images (view 0), which uses no labels: 0 to 1, equal",
            ),
            column(
                "js_divergence",
                pa.float64(),
                "mean Jensen-Shannon divergence of the softmaxes on the evaluation images: 0, equal, to ln 2",
                "nats",
            ),
        ]
    ),
    "choices": pa.schema(
        [
            column("method", pa.string(), "transfer method"),
            PAIR[0],
            column(
                "rule",
                pa.string(),
                "how the teacher is chosen: a rule of thumb; `recommended`, learned from the other students; `probe`, a short "
                "transfer from every teacher; `successive halving`; `all tried`; `the truly best teacher`, simulated",
            ),
            column(
                "image_share",
                pa.float64(),
                "share of the transfer images in the first transfers that are tried; null where none is",
                "fraction",
            ),
            column("teachers", pa.int32(), "teachers of the student, among which is chosen"),
            column("teacher", pa.string(), "the chosen one; null where several are equal, or which is not known"),
            column(
                "cost",
                pa.float64(),
                "training steps of all transfers that are made, in those of one of full length; null where it is simulated",
                "transfers",
            ),
            share("delta", "delta of the transfer from the chosen teacher, on the evaluation images"),
            share("regret", "delta of the best teacher in hindsight less delta"),
            share("over_chance", "delta less the mean over the teachers"),
        ]
    ),
    **TRANSFER_SCHEMAS,
    **STREAM_SCHEMAS,
}
