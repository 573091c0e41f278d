"""Schemas of the tables that transfers end in."""

import pyarrow as pa

from transfer_atlas.schemas.columns import column, interval, share
from transfer_atlas.statistics import TOP_PERCENTS

PAIR = [
    column("student", pa.string(), "model that learns"),
    column("teacher", pa.string(), "model that teaches; null for the controls, which have none"),
]

TRANSFER = [
    column("method", pa.string(), "transfer method of the config"),
    *PAIR,
    column("seed", pa.int64(), "seed of the order of images; with perturb_weights, of the perturbation"),
]

MEASURES = [
    column(
        "remark",
        pa.string(),
        "why there is no result, with null in all measures, or what is odd about it; null for a sound transfer",
    ),
    share("accuracy_before", "student's top-1 accuracy on the evaluation split before the transfer"),
    share("accuracy_after", "the same after the last epoch"),
    share("delta", "accuracy_after - accuracy_before = gain - loss"),
    share("delta_standard_error", "paired standard error of delta, from the gain and loss counts"),
    share("gain", "images wrong before and right after"),
    share("loss", "images right before and wrong after"),
    share("positive_flips", "student wrong before and teacher right; null without a teacher"),
    share("transferred_flips", "the part of positive_flips that is right after"),
    share("transfer_rate", "transferred_flips / positive_flips, sample by sample"),
    share("positive_flips_after", "student wrong after and teacher right"),
    *(
        share(
            f"top{percent}_transfer_rate",
            f"transfer_rate inside the classes that hold the top {percent} % of the positive flips",
        )
        for percent in TOP_PERCENTS
    ),
    *(
        share(f"top{percent}_gain_share", "part of the gain that falls into these classes, whoever knew them")
        for percent in TOP_PERCENTS
    ),
    share("teacher_gain", "images that the teacher learned too, where both learn (target: mutual); else null"),
    share("teacher_loss", "images that the teacher forgot; likewise"),
    column(
        "best_epoch", pa.int32(), "epoch that is best on the images of select_share, from 1; null without it", "epochs"
    ),
    share("selected_accuracy", "accuracy after that epoch on the transfer images kept apart by select_share"),
    share("best_gain", "gain after that epoch"),
    share("best_loss", "loss after that epoch"),
    column("images", pa.int64(), "evaluation images that the shares refer to"),
    column("epoch_objective", pa.list_(pa.float64()), "mean training loss per epoch", "nats"),
    column(
        "epoch_accuracy",
        pa.list_(pa.float64()),
        "student's accuracy on the transfer images, measured during the epoch",
        "fraction",
    ),
    column(
        "epoch_teacher_share",
        pa.list_(pa.float64()),
        "share of the transfer images on which the teacher set the target",
        "fraction",
    ),
    *(
        column(
            f"epoch_{name}",
            pa.list_(pa.float64()),
            f"{name} after each epoch; null without transfer.evaluate_epochs",
            "fraction",
        )
        for name in ("gain", "loss")
    ),
]

_PERTURBATION = share(
    "weight_perturbation", "relative size of the random change of the student's weights before the transfer; 0 for none"
)

RIGHT_AFTER = column(
    "right_after", pa.binary(), "whether each evaluation image is right afterwards, one bit each in order"
)

JUDGED = [
    column(
        "p",
        pa.float64(),
        "two-sided exact McNemar p of gain against loss; with a rounding error, at least the normal p that includes it",
    ),
    column("q", pa.float64(), "p by false discovery rate over the table (Benjamini-Hochberg)"),
]

_TEAM = [
    column("way", pa.string(), "how several teachers teach: sequential, descending, matched, parallel or soup"),
    TRANSFER[0],
    PAIR[0],
    column("team", pa.string(), "name of the team in the config"),
    column("teachers", pa.list_(pa.string()), "its models, in the order in which they taught; null without a result"),
    TRANSFER[-1],
    column(
        "epochs", pa.int32(), "passes over the transfer images in all, those of a soup's students included", "epochs"
    ),
    column(
        "stage_delta",
        pa.list_(pa.float64()),
        "delta after each teacher of a sequence; of the result otherwise",
        "fraction",
    ),
]

TRANSFER_SCHEMAS = {
    "transfer": pa.schema([*TRANSFER, _PERTURBATION, *MEASURES, RIGHT_AFTER]),
    "transfers": pa.schema(
        [
            *TRANSFER,
            _PERTURBATION,
            *MEASURES,
            share(
                "rounding_error",
                "standard deviation of the student's delta over starts from perturbed weights; null where no method has perturb_weights",
            ),
            *JUDGED,
            share("labels_gain", "images right here and wrong after the student's control `labels`; null without it"),
            share("labels_loss", "images wrong here and right after that control"),
            column("labels_p", pa.float64(), "two-sided p of labels_gain against labels_loss, as p"),
            column("labels_q", pa.float64(), "labels_p by false discovery rate over the table"),
        ]
    ),
    "deltas": pa.schema(
        [
            TRANSFER[0],
            *PAIR,
            column("seeds", pa.int32(), "transfers that the mean is over"),
            share("delta", "mean transfer delta over seeds"),
            *interval("delta", "normal, from evaluation_error and the larger of seed_error and rounding_error"),
            share("evaluation_error", "standard error of delta over evaluation images, which all seeds share"),
            share("seed_error", "standard error of delta over seeds; null for one seed"),
            share(
                "rounding_error",
                "standard deviation of the mean delta over starts from perturbed weights; null where no method has perturb_weights",
            ),
            column(
                "p", pa.float64(), "two-sided p of delta: for one seed as in transfers, else normal from these errors"
            ),
            column("q", pa.float64(), "p by false discovery rate over the table (Benjamini-Hochberg)"),
        ]
    ),
    "delta_covariances": pa.schema(
        [
            TRANSFER[0],
            *PAIR,
            column("other", pa.string(), "another teacher of the same student, or the same one"),
            column(
                "covariance",
                pa.float64(),
                "covariance over evaluation images of the errors of the mean deltas from both teachers",
                "squared fraction",
            ),
        ]
    ),
    "methods": pa.schema(
        [
            TRANSFER[0],
            column(
                "against", pa.string(), "what a transfer has to exceed: zero, or the student's control of that name"
            ),
            column("transfers", pa.int64(), "transfers with a result, and a control where one is asked for"),
            column("students", pa.int64(), "their students"),
            share("success_rate", "share of these transfers that exceed it"),
            *interval("success_rate", "students drawn anew with replacement; null below three students"),
            share("mean_difference", "mean of how much they exceed it"),
            *interval("mean_difference", "likewise"),
        ]
    ),
    "histories": pa.schema(
        [
            *TRANSFER,
            column("epoch", pa.int32(), "epochs done, from 1"),
            column("objective", pa.float64(), "mean training loss of the epoch", "nats"),
            share("accuracy", "student's accuracy on the transfer images, measured during the epoch"),
            share("teacher_share", "share of the transfer images on which the teacher set the target"),
            share("gain", "images wrong before the transfer and right after the epoch; null without evaluate_epochs"),
            share("loss", "images right before the transfer and wrong after the epoch; likewise"),
        ]
    ),
    "team": pa.schema([*_TEAM, *MEASURES, RIGHT_AFTER]),
    "teams": pa.schema(
        [
            *_TEAM,
            *MEASURES,
            *JUDGED,
            share("single_mean", "mean delta of the transfers from each of the teachers alone"),
            share("single_best", "largest of these, in hindsight"),
            column("best_teacher", pa.string(), "teacher that it is of"),
            share("single_best_gain", "images right here and wrong after the transfer from best_teacher"),
            share("single_best_loss", "images wrong here and right after that transfer"),
            column("single_best_p", pa.float64(), "two-sided p of these two, as p"),
        ]
    ),
    "agreement": pa.schema(
        [
            PAIR[0],
            TRANSFER[0],
            column("teachers", pa.int32(), "teachers of the student here"),
            share("delta", "mean transfer delta over them, here"),
            share("delta_standard_error", "standard error of it over teachers"),
            share("success_rate", "share of them with delta > 0"),
            column("published_teachers", pa.int32(), "teachers of the student in the publication"),
            share("published_delta", "mean transfer delta over those"),
            share("published_standard_error", "standard error of it over teachers"),
            share("published_success", "share of those with delta > 0; null where it is not published"),
            column("source", pa.string(), "where the published numbers stand"),
        ]
    ),
}
TRANSFER_SCHEMAS["sweeps"] = pa.schema(
    [
        column("key", pa.string(), "key of the recipe that was varied"),
        column("value", pa.string(), "its value"),
        *TRANSFER_SCHEMAS["transfers"],
    ]
)
