"""Properties of the two models of a transfer, and how the delta is correlated with them."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from transfer_atlas.analysis.significance import RESAMPLES

NUMERIC = {
    "student_accuracy": "student accuracy",
    "student_size": "student size (log)",
    "teacher_accuracy": "teacher accuracy",
    "teacher_size": "teacher size (log)",
    "accuracy_difference": "accuracy difference",
    "positive_flips": "complementary knowledge",
    "error_consistency": "error consistency",
}
ROLES = ("student", "teacher")
CATEGORIES = {f"{role}_family": f"{role} family" for role in ROLES}
# columns of the complementarity table that teachers are chosen by
OF_PAIRS = [
    "accuracy_difference",
    "positive_flips",
    "error_consistency",
    "flips_over_expected",
    "chance_adjusted_similarity",
]
FEWEST_STUDENTS = 8  # of a regression, whose errors are estimated from what differs between students


def describe_transfers(transfers, complementarity, models):
    """Transfers that have a teacher and a result, with the properties of both models; means over seeds.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.

    Returns:
        DataFrame with method, student, teacher, delta, gain, loss, delta_standard_error (fractions; the last from the mean
        square over seeds, which share their evaluation images, and the square of the rounding error of the mean), the keys
        of NUMERIC and of CATEGORIES, and OF_PAIRS.
    """
    keys = ["method", "student", "teacher"]
    taught = transfers.dropna(subset=["teacher", "delta"])
    squares = {name: taught[name].fillna(0) ** 2 for name in ("delta_standard_error", "rounding_error")}
    groups = taught.assign(**squares).groupby(keys, sort=False)
    rows = groups[["delta", "gain", "loss", "delta_standard_error", "rounding_error"]].mean()
    error = np.sqrt(rows["delta_standard_error"] + rows["rounding_error"] / groups.size())
    rows = rows.assign(delta_standard_error=error).drop(columns="rounding_error").reset_index()
    return describe_pairs(rows, complementarity, models)


def describe_pairs(pairs, complementarity, models):
    """Add the keys of NUMERIC and of CATEGORIES, and OF_PAIRS, to pairs of student and teacher; drop pairs that were not compared.

    Args:
        pairs: DataFrame with student and teacher.
        complementarity: the complementarity table.
        models: the models table.
    """
    rows = pairs.merge(complementarity[["student", "teacher", *OF_PAIRS]], on=["student", "teacher"])
    for role in ("student", "teacher"):
        named = models[["model", "accuracy", "parameters", "family"]]
        named = named.assign(parameters=np.log(named["parameters"].astype(float)))
        names = {
            "model": role,
            "accuracy": f"{role}_accuracy",
            "parameters": f"{role}_size",
            "family": f"{role}_family",
        }
        rows = rows.merge(named.rename(columns=names), on=role)
    return rows


def correlate(rows, seed=0):
    """Correlation of the delta with each property by itself.

    Transfers of one student are not independent, so the intervals come from drawing students anew with replacement.

    Args:
        rows: of `describe_transfers`, of one method.
        seed: seed of the draws.

    Returns:
        DataFrame with property, kind (numeric: Spearman's rho, -1 to 1; category: correlation ratio eta, 0 to 1), value, low
        and high (95 %), and chance. Eta cannot be negative, so it has no interval but `chance`: what it exceeds in 5 % of
        the cases where families are dealt out to the models at random. NaN bounds for fewer than three students, NaN where
        a property does not vary.
    """
    numbers = rows[["delta", *NUMERIC]].to_numpy(float)
    families = np.stack([rows[category].factorize()[0] for category in CATEGORIES], axis=1)
    generator = np.random.default_rng(seed)
    of_student = list(rows.reset_index(drop=True).groupby("student").indices.values())
    drawn = []
    for _ in range(RESAMPLES if len(of_student) > 2 else 0):
        chosen = generator.integers(len(of_student), size=len(of_student))
        drawn_rows = np.concatenate([of_student[number] for number in chosen])
        drawn.append(_coefficients(numbers[drawn_rows], families[drawn_rows]))
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0) if drawn else (np.nan, np.nan)
    kinds = ["numeric"] * len(NUMERIC) + ["category"] * len(CATEGORIES)
    names = [*NUMERIC.values(), *CATEGORIES.values()]
    value = _coefficients(numbers, families)
    table = pd.DataFrame({"property": names, "kind": kinds, "value": value, "low": low, "high": high, "chance": np.nan})
    table.loc[table["kind"] == "category", ["low", "high"]] = np.nan
    table.loc[table["kind"] == "category", "chance"] = [_eta_by_chance(rows, role, generator) for role in ROLES]
    return table


def _eta_by_chance(rows, role, generator):
    """The 95th percentile of eta when families are permuted at random among the students or among the teachers."""
    model = rows[role].factorize()[0]
    family = rows.drop_duplicates(role)[f"{role}_family"].factorize()[0]
    if len(np.unique(family)) < 2 or rows["delta"].nunique() < 2:
        return np.nan
    values = rows["delta"].to_numpy(float)
    dealt = generator.permuted(np.tile(family, (RESAMPLES, 1)), axis=1)[:, model]
    between = np.zeros(RESAMPLES)
    for number in np.unique(family):
        mine = dealt == number
        between += (mine @ (values - values.mean())) ** 2 / np.maximum(mine.sum(axis=1), 1)
    return np.sqrt(np.quantile(between, 0.95) / (len(values) * values.var()))


def _coefficients(numbers, families):
    """Spearman's rho of the first column of `numbers` with each other, then its eta with each of `families`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.corrcoef(rankdata(numbers, axis=0).T)[0, 1:]
    return np.concatenate([rho, [_eta(numbers[:, 0], of_rows) for of_rows in families.T]])


def _eta(values, families):
    """Square root of the share of the variance that lies between families."""
    counts = np.bincount(families)
    if (counts > 0).sum() < 2 or values.var() == 0:
        return np.nan
    means = np.bincount(families, weights=values) / np.maximum(counts, 1)
    return np.sqrt(means[families].var() / values.var())


def regress(rows):
    """Which properties matter together: least squares of the delta in points, errors robust within students.

    Accuracy difference is left out, for it is the difference of two others.

    Args:
        rows: of `describe_transfers`, of one method.

    Returns:
        DataFrame with property, value, low, high (95 %): points of delta per standard deviation of a number, or
        against the first family by name, which its property names; None where there are too few transfers or students.
    """
    import statsmodels.formula.api as smf  # a second that correlations need not pay

    numeric = [name for name in NUMERIC if name != "accuracy_difference" and rows[name].std() > 0]
    families = [name for name in CATEGORIES if rows[name].nunique() > 1]
    terms = len(numeric) + sum(rows[name].nunique() - 1 for name in families)
    if len(rows) < 2 * (terms + 1) or rows["student"].nunique() < FEWEST_STUDENTS or not terms:
        return None
    scaled = rows.assign(
        points=100 * rows["delta"], **{name: (rows[name] - rows[name].mean()) / rows[name].std() for name in numeric}
    )
    formula = "points ~ " + " + ".join([*numeric, *(f"C({name})" for name in families)])
    fitted = smf.ols(formula, scaled).fit(cov_type="cluster", cov_kwds={"groups": scaled["student"].factorize()[0]})
    bounds = fitted.conf_int()
    table = pd.DataFrame({"property": fitted.params.index, "value": fitted.params, "low": bounds[0], "high": bounds[1]})
    table = table[table["property"] != "Intercept"].reset_index(drop=True)
    names = NUMERIC | {
        f"C({key})[T.{family}]": f"{text}: {family},\nnot {min(rows[key])}"
        for key, text in CATEGORIES.items()
        for family in rows[key].unique()
    }
    return table.assign(property=table["property"].map(names))
