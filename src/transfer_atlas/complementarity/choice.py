"""Pairs chosen for transfer from what the comparison of all pairs found."""

import numpy as np
import pandas as pd

from transfer_atlas.errors import InputError

OF_PAIRS = ["student", "teacher", "accuracy_difference", "positive_flips"]


def choose_teachers(pairs, models, way, number, students=None, seed=0):
    """Choose teachers for every student.

    Args:
        pairs: columns OF_PAIRS of the complementarity table.
        models: the models table.
        way: `stratified` draws them from bins of equal size of the accuracy difference, families in turn (the paper's
            way); `top` takes those with most complementary knowledge (positive flips); `random` draws them.
        number: teachers per student; fewer where the zoo has no more.
        students: names; None for all models that were compared.
        seed: seed of the draws; each student has draws of its own.

    Returns:
        DataFrame of the pairs table.

    Raises:
        InputError: a student was not compared.
    """
    chosen, compared = [], pairs["student"].unique()
    candidates = pairs.merge(models[["model", "family"]], left_on="teacher", right_on="model")
    for student in compared if students is None else students:
        if student not in compared:
            raise InputError(f"pairs.students: model '{student}' is excluded, see remark in models.parquet")
        generator = np.random.default_rng([seed, *student.encode()])
        rows = _WAYS[way](candidates[candidates["student"] == student], number, generator)
        chosen += [{"student": student, "teacher": teacher, "chosen_by": reason} for teacher, reason in rows]
    return pd.DataFrame(chosen)


def _top(candidates, number, generator):
    ranked = candidates.sort_values("positive_flips", ascending=False, kind="stable")
    return [(teacher, f"top: {rank}. by positive flips") for rank, teacher in enumerate(ranked["teacher"][:number], 1)]


def _random(candidates, number, generator):
    return [(teacher, "random") for teacher in generator.permutation(candidates["teacher"])[:number]]


def _stratified(candidates, number, generator):
    """As many bins as it takes for one teacher of each family in each; the first `number` of a shuffled round."""
    families = sorted(candidates["family"].dropna().unique()) or [None]
    count = min(len(candidates), -(-number // len(families)))
    ranked = candidates.sort_values("accuracy_difference", kind="stable")
    places = np.array_split(np.arange(len(ranked)), count)
    bins = [ranked.iloc[place].sample(frac=1, random_state=generator) for place in places]
    drawn = []
    for turn in range(len(candidates)):
        family = families[turn % len(families)]
        for place, left in enumerate(bins):
            # one of the family whose turn it is, or of any other where the bin has none left
            if len(drawn) < number and len(left):
                row = (left[left["family"] == family] if (left["family"] == family).any() else left).iloc[0]
                bins[place] = left[left["teacher"] != row["teacher"]]
                drawn.append((row["teacher"], f"stratified: bin {place + 1} of {count}, {row['family']}"))
    return drawn


_WAYS = {"stratified": _stratified, "top": _top, "random": _random}
