"""The model card of an improved student."""

import re

import pandas as pd

from transfer_atlas.statistics import Z_95

SHOWN_CLASSES, SHOWN_TRIED = 3, 12
# between the teachers of a stream, and of a team; no model has a space in its name
THEN, AND = " then ", " and "


def format_card(student, row, chosen, tried, apart, judged, loading, about):
    """Write the card as Markdown with the front matter of the Hugging Face hub.

    Args:
        student: name.
        row: its row in the zoo sheet.
        chosen: the chosen row of the transfer table; None where the student stays as it is.
        tried: rows of the transfer table that could have been chosen.
        apart: dict of images (number) and before (the student's accuracy), of the transfer images kept apart.
        judged: Judgement on the evaluation images.
        loading: lines of Python that load the network.
        about: dict of command, study, versions (dict of package to text) and licences (dict of model to text or None).
    """
    title = f"{student}, improved" if chosen is not None else f"{student}, unchanged"
    return "\n".join(
        [
            *_front_matter(about["licences"].get(student)),
            f"# {title}",
            "",
            _finding(student, chosen, judged),
            "",
            "```python",
            *loading,
            "```",
            "",
            *_how_it_was_made(row, chosen, about),
            *_accuracy(judged),
            *_by_class(judged.changes),
            *_choice(tried, chosen, apart),
            *_licences(student, chosen, about["licences"]),
        ]
    )


def _front_matter(licence):
    known = [f"license: {licence}"] if licence else []
    return ["---", "library_name: timm", "pipeline_tag: image-classification", *known, "---", ""]


def _finding(student, chosen, judged):
    """The first sentence: whether the student is better now, and how certain that is."""
    if chosen is None:
        return (
            f"No transfer made {student} more accurate on the images that were kept apart for the choice. "
            f"The network is {student} as it was, with an accuracy of {judged.accuracy:.2%} on the evaluation images."
        )
    first = judged.against.iloc[0]
    low, high = (100 * (first["delta"] + sign * Z_95 * first["standard_error"]) for sign in (-1, 1))
    taught = "by the labels alone" if pd.isna(chosen["teacher"]) else f"by {chosen['teacher']} with {chosen['method']}"
    if first["p"] >= 0.05:
        verdict = "not significantly different from the student before"
    else:
        verdict = f"significantly {'better' if first['delta'] > 0 else 'worse'} than the student before"
    return (
        f"{student} was taught {taught}. Its accuracy on the evaluation images is {judged.accuracy:.2%}, "
        f"{100 * first['delta']:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}): {verdict}."
    )


def _how_it_was_made(row, chosen, about):
    lines = [
        "## How it was made",
        "",
        f"    {about['command']}",
        "",
        f"- study `{about['study']}`, architecture `{row['architecture']}`, weights before: `{row['weights']}`",
        f"- {', '.join(f'{name} {version}' for name, version in about['versions'].items())}",
    ]
    if chosen is not None:
        teacher = "no teacher" if pd.isna(chosen["teacher"]) else f"teacher `{chosen['teacher']}`"
        lines.append(
            f"- method `{chosen['method']}`, {teacher}, seed {chosen['seed']}, epoch {chosen['best_epoch']:.0f}"
        )
    return [*lines, ""]


def _accuracy(judged):
    """Table of the comparisons on the evaluation images."""
    table = pd.DataFrame(
        {
            "against": judged.against["against"],
            "delta (points)": (100 * judged.against["delta"]).map("{:+.2f}".format),
            "standard error": (100 * judged.against["standard_error"]).map("{:.2f}".format),
            "gained": (judged.images * judged.against["gain"]).map("{:.0f}".format),
            "lost": (judged.images * judged.against["loss"]).map("{:.0f}".format),
            "p": judged.against["p"].map("{:.2g}".format),
        }
    )
    lines = [
        "## Accuracy",
        "",
        f"On {judged.images:,} evaluation images, which played no part in the choice.",
        "",
        table.to_markdown(index=False, disable_numparse=True),
        "",
        "gained, lost: images that only this network, and only the other one, predicts correctly. p: two-sided, exact McNemar,",
        "with the rounding error where it was measured.",
    ]
    if "labels" in set(judged.against["against"]):
        lines.append("`labels` is the student after training on the labels alone, `self` after imitating itself.")
    if pd.notna(judged.rounding):
        lines.append(f"Rounding error of the student: {100 * judged.rounding:.2f} points; standard errors include it.")
    else:
        lines.append("Rounding was not measured (`perturb_weights`).")
    if pd.notna(judged.seed_error):
        lines.append(
            f"Standard deviation of delta over the seeds of this method and teacher: {100 * judged.seed_error:.2f} points."
        )
    else:
        lines.append("There is one seed, so nothing is known of the spread over seeds.")
    return [*lines, ""]


def _by_class(changes):
    """The classes that gained and lost most."""
    net = (changes["gained"] - changes["lost"]).sort_values(kind="stable", ascending=False)
    lines = ["## Classes", ""]
    for text, chosen in (
        ("gained most", net[net > 0].head(SHOWN_CLASSES)),
        ("lost most", net[net < 0][::-1].head(SHOWN_CLASSES)),
    ):
        named = ", ".join(f"{changes.loc[label, 'name']} ({images:+d} images)" for label, images in chosen.items())
        lines.append(f"- {text}: {named or 'none'}")
    return [*lines, ""]


def _choice(tried, chosen, apart):
    """What could have been chosen, and by which accuracies."""
    shown = tried.sort_values("selected_accuracy", ascending=False, kind="stable").head(SHOWN_TRIED)
    table = pd.DataFrame(
        {
            "method": shown["method"],
            "teacher": shown["teacher"].fillna("none"),
            "seed": shown["seed"],
            "epoch": shown["best_epoch"].map("{:.0f}".format, na_action="ignore"),
            "accuracy (%)": (100 * shown["selected_accuracy"]).map("{:.2f}".format, na_action="ignore"),
        }
    )
    count = "1 transfer was" if len(tried) == 1 else f"{len(tried)} transfers were"
    return [
        "## Choice",
        "",
        f"Teacher, method and epoch have the highest accuracy on {apart['images']:,} transfer images that were kept apart from the training;",
        f"the student had {apart['before']:.2%} there. {count} compared"
        + (f"; the first {SHOWN_TRIED}:" if len(tried) > SHOWN_TRIED else ":"),
        "",
        table.to_markdown(index=False, disable_numparse=True),
        "",
        "Where the student's original training has seen these images, it does better on them than on new ones, and the choice favours",
        "the student as it is.",
        "",
    ]


def _licences(student, chosen, licences):
    taught = chosen is not None and not pd.isna(chosen["teacher"])
    names = [student, *dict.fromkeys(re.split(f"{THEN}|{AND}", chosen["teacher"]))] if taught else [student]
    lines = [f"- {name}: {licences.get(name) or 'not known to timm or the sheet'}" for name in names]
    return ["## Licences", "", *lines, ""]
