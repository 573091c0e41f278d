"""How the pages write numbers, intervals and tables, and where their templates are."""

from pathlib import Path

import numpy as np
from scipy.stats import bootstrap


def template(page):
    """Text of the template of a page, beside this file."""
    return Path(__file__).with_name(f"{page}.template.md").read_text()


def interval(*samples, statistic=np.mean):
    """95 % percentile interval of a statistic when the students whose values these are, are drawn anew."""
    if any(len(values) < 3 for values in samples) or all(np.ptp(values) == 0 for values in samples):
        return np.nan, np.nan
    drawn = bootstrap(samples, statistic, n_resamples=5000, method="percentile", rng=np.random.default_rng(0))
    return drawn.confidence_interval.low, drawn.confidence_interval.high


def with_interval(value, bounds, form="{:+.2f}", scale=100):
    """`value (low to high)`, all times `scale`; the value alone where the bounds are missing."""
    if np.isnan(bounds[0]):
        return form.format(scale * value)
    low, high = (form.format(scale * bound) for bound in bounds)
    return f"{form.format(scale * value)} ({low} to {high})"


def of_row(row, name, form="{:+.2f}", scale=100):
    """The same of a column and its columns `<name>_low` and `<name>_high`."""
    return with_interval(row[name], (row[f"{name}_low"], row[f"{name}_high"]), form, scale)


def table(frame):
    """A DataFrame as Markdown."""
    return frame.to_markdown(index=False, disable_numparse=True)


def percent(value, digits=2):
    """A fraction in percent."""
    return f"{100 * value:.{digits}f}"
