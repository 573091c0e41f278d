"""Standard errors and summaries of transfers."""

import numpy as np
import pandas as pd

Z_95 = 1.959963984540054  # standard errors on either side of a 95 % interval


def accuracy_standard_error(accuracy, images):
    """Binomial standard error of an accuracy, a fraction."""
    return np.sqrt(accuracy * (1 - accuracy) / images)


def paired_standard_error(gain, loss, images):
    """Standard error of delta = gain - loss when before and after are measured on the same images.

    Args:
        gain: share of images wrong before and right after.
        loss: share of images right before and wrong after.
        images: number of images.

    Returns:
        sqrt((gain + loss - (gain - loss)^2) / images), a fraction: per image the change is +1, -1 or 0.
    """
    return np.sqrt((gain + loss - (gain - loss) ** 2) / images)


def summarise_methods(transfers):
    """Success rate and mean delta per method, in the order in which the methods first appear.

    Transfers that share a student are not independent, so the standard error of the mean delta is that of the
    mean over students: standard deviation of the students' mean deltas / sqrt(students); NaN for one student.

    Args:
        transfers: the transfers table.

    Returns:
        DataFrame indexed by method: transfers, lost (of these without a result, which count as no success), students,
        success_rate (share with delta > 0), mean_delta, standard_error; shares are fractions.
    """
    of_student = transfers.groupby(["method", "student"], sort=False)["delta"].mean().groupby("method", sort=False)
    methods = transfers.groupby("method", sort=False)
    return pd.DataFrame(
        {
            "transfers": methods.size(),
            "lost": methods["delta"].agg(lambda delta: delta.isna().sum()),
            "students": of_student.size(),
            "success_rate": methods["delta"].agg(lambda delta: (delta > 0).mean()),
            "mean_delta": methods["delta"].mean(),
            "standard_error": of_student.sem(),
        }
    )


def format_summary(summary, figures):
    """Render the summary of a study as text, deltas in percentage points, and say where the figures are."""
    percent = pd.DataFrame(
        {
            "transfers": summary["transfers"],
            "success rate": summary["success_rate"].map("{:.0%}".format),
            "mean delta": [
                f"{100 * delta:+.2f} points" if np.isnan(error) else f"{100 * delta:+.2f} +- {100 * error:.2f} points"
                for delta, error in zip(summary["mean_delta"], summary["standard_error"], strict=True)
            ],
        }
    )
    table = percent.rename_axis("method").reset_index().to_string(index=False)
    notes = ["+- is the standard error over students; self and labels are the controls, which have no teacher"]
    if lost := summary["lost"].sum():
        notes.append(f"{lost} transfer(s) ended without a result; column remark of transfers.parquet says why")
    return "\n".join([table, *notes, f"figures: {figures}"]) + "\n"
