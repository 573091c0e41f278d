"""Standard errors, exact p values, and the constants of the statistics."""

import numpy as np

Z_95 = 1.959963984540054  # standard errors on either side of a 95 % interval
# a measure of the top X % looks at the classes that hold X % of the positive flips (the paper's Fig. 2 and 5a)
TOP_PERCENTS = (2, 5, 20, 50)


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


def mcnemar_p(gain, loss, images):
    """Two-sided exact McNemar p of an accuracy before against after a transfer on the same images.

    Args:
        gain: share of images wrong before and right after.
        loss: share of images right before and wrong after.
        images: number of images.

    Returns:
        Of the images that changed, the chance of a split at least as uneven if gain and loss were equally likely;
        1 where none changed, NaN where a share is.
    """
    from scipy.special import betainc  # half a second that thousands of transfer jobs need not pay

    gains, losses = np.rint(gain * images), np.rint(loss * images)
    # the regularised incomplete beta function is the binomial's distribution function at the fewer of the two
    return np.minimum(1.0, 2 * betainc(np.maximum(gains, losses), np.minimum(gains, losses) + 1, 0.5))


def improvement_p(gain, loss, images):
    """One-sided mid-p of McNemar's test that gain is not larger than loss (Fagerland et al. 2013).

    Args:
        gain: share of images wrong before and right after.
        loss: share of images right before and wrong after.
        images: number of images.

    Returns:
        Of the images that changed, the chance of more gains if gain and loss were equally likely, and half the chance of as
        many; below 0.5 exactly where gain is larger than loss, 0.5 where both are equal.
    """
    from scipy.special import bdtrc

    gains, losses = int(np.rint(gain * images)), int(np.rint(loss * images))
    if gains == losses:
        return 0.5  # exactly, which rounding would miss
    at_least_as_many = bdtrc(gains - 1, gains + losses, 0.5) if gains else 1.0
    return (at_least_as_many + bdtrc(gains, gains + losses, 0.5)) / 2


def false_discovery_rate(p):
    """Adjusted p values (Benjamini-Hochberg), an array; NaN stays NaN and counts for nothing."""
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=float)
    q, known = np.full(p.shape, np.nan), ~np.isnan(p)
    q[known] = false_discovery_control(p[known])
    return q


class FalseDiscoveryRates:
    """Adjusted p values (Benjamini-Hochberg) of tests that are too many to be held at once.

    Of up to EXACT_TESTS tests all p values are kept. Of more, they are counted in bins of equal ratio, and a p value counts as
    the upper end of its bin: the adjusted one is at most 1 / 65,536 of itself too large, never too small. Neither depends on the
    order or the parts in which the p values come.
    """

    EXACT_TESTS = 1_000_000
    SHIFT = 7  # bits of a float32 that a bin leaves out

    def __init__(self, tests):
        """Expect so many p values at most."""
        self._exact, self._p, self._q = tests <= self.EXACT_TESTS, [], None
        self._counts = None if self._exact else np.zeros(self._bins(np.ones(1))[0] + 1, np.int64)

    def add(self, p):
        """Add p values, an array; NaN is no test."""
        p = p[~np.isnan(p)]
        if self._exact:
            self._p.append(p)
        else:
            self._counts += np.bincount(self._bins(p), minlength=len(self._counts))

    def adjust(self, p):
        """Adjusted p values of those that were added, in an array of any shape; NaN stays NaN."""
        if self._q is None:
            self._finish()
        if not len(self._q):
            return np.full(p.shape, np.nan, np.float32)
        places = np.searchsorted(self._p, p) if self._exact else self._bins(p)
        q = self._q.take(places, mode="clip").astype(np.float32, copy=False)
        q[np.isnan(p)] = np.nan
        return q

    def _finish(self):
        if self._exact:
            self._p = np.sort(np.concatenate(self._p))
            self._q = false_discovery_rate(self._p)
            return
        upper = ((np.arange(len(self._counts), dtype=np.uint32) + 1) << self.SHIFT).view(np.float32).astype(float)
        held = np.cumsum(self._counts)
        ratios = np.full(len(upper), np.inf)
        np.divide(upper * held[-1], held, out=ratios, where=self._counts > 0)
        self._q = np.minimum(1, np.minimum.accumulate(ratios[::-1])[::-1]).astype(np.float32)

    def _bins(self, p):
        return p.astype(np.float32).view(np.uint32) >> self.SHIFT


def mean_over_students(rows, column):
    """Mean of a column over transfers, and the standard error of the mean over students, which share theirs.

    Args:
        rows: transfers with `student` and `column`.
        column: name of a column.

    Returns:
        (mean, standard error), the latter NaN for one student.
    """
    of_student = rows.groupby("student")[column].mean().dropna()
    return rows[column].mean(), of_student.sem()
