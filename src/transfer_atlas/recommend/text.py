"""A recommendation in words and two short tables."""

import pandas as pd

from transfer_atlas.recommend.advice import FEWEST_TRANSFERS
from transfer_atlas.recommend.check import OURS
from transfer_atlas.statistics import Z_95

SHOWN = 10  # teachers


def format_recommendation(table, checks, ceilings, images, done):
    """Say which teacher to take, how certain that is, and whether the ranking is better than a rule of thumb.

    Args:
        table: the recommendations table of one student.
        checks: the recommendation_checks table.
        ceilings: dict of method to what `check.noise_ceiling` says.
        images: number of evaluation images.
        done: transfers of the method that has most of them.
    """
    student, method = table[["student", "method"]].iloc[0]
    if not isinstance(method, str):
        return "\n".join([f"Teachers for {student}", *_before_transfers(table, done), ""])
    best = table[table["method"] == method]
    parts = [
        f"Teachers for {student}",
        *_plain_rule(checks, method),
        _methods(table),
        f"method {method}, deltas in points:",
        _ranking(best),
        "knowledge: complementary knowledge, images that the teacher predicts correctly and the student does not",
        _verdict(best),
        *_noise(ceilings[method], images),
        *_checks(checks, method),
    ]
    return "\n".join([*parts, ""])


def _before_transfers(table, done):
    shown = table.head(SHOWN)
    ranking = shown[["rank", "teacher"]].assign(knowledge=(100 * shown["positive_flips"]).map("{:.1f} %".format))
    chance = table["flips_over_expected"].notna().any()
    if chance:
        ranking["over expected"] = shown["flips_over_expected"].map("{:.2f}".format, na_action="ignore").fillna("")
    made = "No transfer has been made yet." if not done else f"{done} transfer(s) of one method have been made."
    return [
        f"{made} To rank teachers by the delta that is expected of them, {FEWEST_TRANSFERS} transfers of one method are needed.",
        "This ranking is by complementary knowledge alone: images that the teacher predicts correctly and the student does not.",
        ranking.to_string(index=False),
        *(_net_of_difficulty(table) if chance else []),
    ]


def _net_of_difficulty(table):
    """Where the ranking differs from one by what the difficulty of the images does not explain."""
    ranked = table.sort_values("flips_over_expected", ascending=False, kind="stable")
    best, size = ranked.iloc[0], min(SHOWN, len(table))
    common = len(set(ranked["teacher"].head(size)) & set(table["teacher"].head(size)))
    return [
        "over expected: complementary knowledge over what two models of these accuracies show that err independently given the",
        f"difficulty of each image. By it the first teacher is {best['teacher']} ({best['flips_over_expected']:.2f}), which has "
        f"rank {best['rank']} here; the two rankings have {common} of their first {size} teachers in common.",
    ]


def _left_out_students(checks, method):
    """The checks of a method on students that were left out."""
    return checks[(checks["method"] == method) & (checks["left_out"] == "student")] if len(checks) else checks


def _beaten(rules):
    """Whether the recommended choice has significantly less regret than each rule."""
    return rules["more_regret"] > Z_95 * rules["more_regret_standard_error"]


def _plain_rule(checks, method):
    """The plain rule with the least regret, where the recommended choice is not significantly better than it."""
    here = _left_out_students(checks, method)
    rules = here[~here["rule"].isin((OURS, "chance"))] if len(here) else here
    as_good = rules[~_beaten(rules)].sort_values("regret", kind="stable") if len(rules) else rules
    if as_good.empty:
        return []
    rule, ours = as_good.iloc[0], here.loc[here["rule"] == OURS, "regret"].iloc[0]
    return [
        f"A plain rule is as good here: the teacher that is {rule['rule']} (regret {100 * rule['regret']:.2f} points, "
        f"the ranking below {100 * ours:.2f})."
    ]


def _methods(table):
    means = table.groupby("method", sort=False)["expected_delta"].mean()
    return "expected delta, mean over teachers: " + ", ".join(
        f"{method} {100 * mean:+.2f} points" for method, mean in means.items()
    )


def _ranking(best):
    shown = best.head(SHOWN)
    return pd.DataFrame(
        {
            "rank": shown["rank"],
            "teacher": shown["teacher"],
            "expected": (100 * shown["expected_delta"]).map("{:+.2f}".format),
            "95 % interval": [
                f"{100 * low:+.2f} to {100 * high:+.2f}"
                for low, high in zip(shown["expected_low"], shown["expected_high"], strict=True)
            ],
            "measured": (100 * shown["measured_delta"]).map("{:+.2f}".format, na_action="ignore").fillna(""),
            "knowledge (%)": (100 * shown["positive_flips"]).map("{:.1f}".format),
        }
    ).to_string(index=False)


def _verdict(best):
    helpful, sure = (best["expected_delta"] > 0).sum(), (best["expected_low"] > 0).sum()
    if not helpful:
        return "No teacher has an expected delta above zero."
    return f"{helpful} of {len(best)} teachers have an expected delta above zero, {sure} of them with an interval above zero."


def _noise(ceiling, images):
    lines = [
        f"Measurement error explains {_rest(ceiling['share'])} of the variance of the deltas, and {_rest(ceiling['share_within'])} "
        "of their variance among the teachers of one student."
    ]
    if ceiling["spread_within"] > 0:
        needed = images * (Z_95 * ceiling["error"] / ceiling["spread_within"]) ** 2
        lines.append(
            f"To distinguish two typical teachers, about {needed:,.0f} evaluation images are needed; there are {images:,}."
        )
    return lines


def _rest(share):
    return "all" if share < 0.005 else f"{1 - share:.0%}"


def _checks(checks, method):
    here = _left_out_students(checks, method)
    if here.empty:
        return ["Too few students to say whether this ranking is better than a rule of thumb."]
    shown = pd.DataFrame(
        {
            "choice": here["rule"],
            "rank correlation": here["rank_correlation"].map("{:+.2f}".format, na_action="ignore").fillna(""),
            "regret (points)": (100 * here["regret"]).map("{:.2f}".format),
        }
    )
    others = here[here["rule"] != OURS]
    beaten = _beaten(others)
    verdicts = [
        f"The recommended choice is {text}: {', '.join(others['rule'][which])}."
        for text, which in (
            ("significantly better (1.96 standard errors) than", beaten),
            ("not significantly better than", ~beaten),
        )
        if which.any()
    ]
    students = int(here["students"].iloc[0])
    return [
        f"Regret is the delta of the best teacher minus that of the chosen one, here on {students} students that were left out",
        "when the model was fitted:",
        shown.to_string(index=False),
        *verdicts,
    ]
