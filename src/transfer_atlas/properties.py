"""What is known of the two models of a transfer, and how its delta goes with that."""

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

NUMERIC = {
    "student_accuracy": "student accuracy",
    "student_size": "student size (log)",
    "teacher_accuracy": "teacher accuracy",
    "teacher_size": "teacher size (log)",
    "accuracy_difference": "accuracy difference",
    "positive_flips": "complementary knowledge",
    "error_consistency": "error consistency",
}
CATEGORIES = {"student_family": "student family", "teacher_family": "teacher family"}
RESAMPLES = 1000


def describe_transfers(transfers, complementarity, models):
    """Transfers that have a teacher and a result, with the properties of both models; means over seeds.

    Args:
        transfers: the transfers table.
        complementarity: the complementarity table.
        models: the models table.

    Returns:
        DataFrame with method, student, teacher, delta, gain, loss (fractions), the keys of NUMERIC and of CATEGORIES.
    """
    keys = ["method", "student", "teacher"]
    taught = transfers.dropna(subset=["teacher", "delta"])
    rows = taught.groupby(keys, sort=False)[["delta", "gain", "loss"]].mean().reset_index()
    pairs = complementarity[["student", "teacher", "accuracy_difference", "positive_flips", "error_consistency"]]
    rows = rows.merge(pairs, on=["student", "teacher"])
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
    """How the delta goes with each property, alone.

    Transfers of one student are not independent, so the intervals come from drawing students anew with replacement.

    Args:
        rows: of `describe_transfers`, of one method.
        seed: seed of the draws.

    Returns:
        DataFrame with property, kind (numeric: Spearman's rho, -1 to 1; category: correlation ratio eta, 0 to 1),
        value, low, high (95 %); NaN bounds for fewer than three students, NaN where a property does not vary.
    """
    generator = np.random.default_rng(seed)
    of_student = [group for _, group in rows.groupby("student")]
    drawn = []
    for _ in range(RESAMPLES if len(of_student) > 2 else 0):
        chosen = generator.integers(len(of_student), size=len(of_student))
        drawn.append(_coefficients(pd.concat([of_student[number] for number in chosen])))
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0) if drawn else (np.nan, np.nan)
    kinds = ["numeric"] * len(NUMERIC) + ["category"] * len(CATEGORIES)
    names = [*NUMERIC.values(), *CATEGORIES.values()]
    return pd.DataFrame({"property": names, "kind": kinds, "value": _coefficients(rows), "low": low, "high": high})


def _coefficients(rows):
    ranks = rows[["delta", *NUMERIC]].rank()
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.corrcoef(ranks.to_numpy().T)[0, 1:]
    return np.concatenate([rho, [_eta(rows["delta"], rows[category]) for category in CATEGORIES]])


def _eta(values, categories):
    """Square root of the share of the variance that lies between categories."""
    if categories.nunique() < 2 or values.var() == 0:
        return np.nan
    between = values.groupby(categories).transform("mean")
    return float(np.sqrt(between.var(ddof=0) / values.var(ddof=0)))


def regress(rows):
    """Which properties matter together: least squares of the delta in points, errors robust within students.

    Accuracy difference is left out, for it is the difference of two others.

    Args:
        rows: of `describe_transfers`, of one method.

    Returns:
        DataFrame with property, value, low, high (95 %): points of delta per standard deviation of a number, or
        against the first family by name; None where there are too few transfers or students.
    """
    numeric = [name for name in NUMERIC if name != "accuracy_difference" and rows[name].std() > 0]
    families = [name for name in CATEGORIES if rows[name].nunique() > 1]
    terms = len(numeric) + sum(rows[name].nunique() - 1 for name in families)
    if len(rows) < 2 * (terms + 1) or rows["student"].nunique() < 4 or not terms:
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
        f"C({key})[T.{family}]": f"{text}: {family}"
        for key, text in CATEGORIES.items()
        for family in rows[key].unique()
    }
    return table.assign(property=table["property"].map(names))
