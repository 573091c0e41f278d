"""Covariances of the measurement errors of the transfers of one student."""

import numpy as np
import pandas as pd


def covariances_of_deltas(transfers):
    """The delta_covariances table: one row per two teachers of a student by one method, in both orders.

    All transfers of a student are evaluated on the same images and compared with the same predictions before. With m the
    share of seeds after which an image is right, and b whether it was before, the error of a mean delta over n images has
    the covariance (mean((m_1 - b)(m_2 - b)) - delta_1 delta_2) / n.

    Args:
        transfers: rows of the transfer table, with right_after.

    Returns:
        DataFrame; the row of a teacher with itself is the squared evaluation error.
    """
    known = transfers.dropna(subset=["teacher", "delta"])
    rows = []
    for (method, student), of_student in known.groupby(["method", "student"], sort=False):
        groups = of_student.groupby("teacher", sort=False)
        right = np.stack([_mean_of_seeds(bits) for bits in groups["right_after"]])  # [teachers, images]
        means, images = groups[["accuracy_before", "loss", "delta"]].mean(), of_student["images"].iloc[0]
        before, kept = means["accuracy_before"].to_numpy(), (means["accuracy_before"] - means["loss"]).to_numpy()
        delta = means["delta"].to_numpy()
        products = right @ right.T / images - kept[:, None] - kept + before[:, None]
        covariance = (products - np.outer(delta, delta)) / images
        one, two = np.indices(covariance.shape).reshape(2, -1)
        names = means.index.to_numpy()
        table = {"teacher": names[one], "other": names[two], "covariance": covariance.ravel()}
        rows.append(pd.DataFrame({"method": method, "student": student, **table}))
    columns = ["method", "student", "teacher", "other", "covariance"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def _mean_of_seeds(bits):
    """Share of seeds after which each image is right, float [images, and the bits that fill the last byte]."""
    return np.mean([np.unpackbits(np.frombuffer(of_seed, np.uint8)) for of_seed in bits[1]], axis=0)
