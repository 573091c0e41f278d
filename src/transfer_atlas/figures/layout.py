"""How wide a figure is, how its panels share the width, and what is done about text that needs more room."""

import textwrap
from contextlib import contextmanager
from contextvars import ContextVar

import matplotlib.pyplot as plt

from transfer_atlas.errors import InputError
from transfer_atlas.figures.style import method_name
from transfer_atlas.study.figures import WIDTHS

ONE_COLUMN, TWO_COLUMNS = WIDTHS["column"], WIDTHS["page"]
SCREEN_HEIGHT = 3.75  # inches, at least; 16:9
NARROWEST_PANEL, WIDE_PANEL = 1.6, 2.2  # inches; three wide ones fill a page
GAP = 4  # pixels between a text and what stands beside it

_chosen = ContextVar("width of figures", default=None)


@contextmanager
def at_width(name):
    """Within this context, figures have one of the WIDTHS; None: each has its own.

    with at_width("column"):
        figure = plot_gain_loss(transfers, models)

    Raises:
        InputError: there is no such width.
    """
    if name not in (None, *WIDTHS):
        raise InputError(f"width: {name} is none of {', '.join(WIDTHS)}")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def figure_size(width, height):
    """Size in inches of a figure that has this size of its own, in the width that `at_width` chose."""
    name = _chosen.get()
    return WIDTHS.get(name, width), max(height, SCREEN_HEIGHT) if name == "screen" else height


def new_panels(count, height, width=TWO_COLUMNS, narrowest=NARROWEST_PANEL, **options):
    """A figure with panels in as many rows as its width needs.

    Args:
        count: number of panels; at least one is made.
        height: of one row, in inches.
        width: the figure's own, in inches.
        narrowest: width that a panel needs, in inches.
        options: of `plt.subplots`; `width_ratios` hold where all panels stand in one row.

    Returns:
        Figure and its axes, row by row.
    """
    count = max(1, count)
    rows, columns = arrange(count, figure_size(width, height)[0], narrowest)
    if columns < count:
        options.pop("width_ratios", None)
    figure, axes = plt.subplots(rows, columns, figsize=figure_size(width, rows * height), squeeze=False, **options)
    shown, left_over = axes.flat[:count], axes.flat[count:]
    for ax in left_over:
        ax.remove()
    lowest = shown[count - columns :]  # of each column; `sharex` names the ticks of the last row only
    for ax in lowest:
        ax.tick_params(labelbottom=True)
    return figure, shown


def is_narrow(width):
    """Whether a figure of this width, in inches, is for one column of text."""
    return width < 1.5 * ONE_COLUMN


def arrange(count, width, narrowest=NARROWEST_PANEL):
    """Rows and columns of `count` panels in this width, with rows as equal as they can be."""
    rows = -(-count // max(1, int(width / narrowest)))
    return rows, -(-count // rows)


def method_panels(methods, height, **options):
    """Panels, one per method with its name as title; at least one panel."""
    figure, axes = new_panels(len(methods), height, **options)
    for ax, method in zip(axes, methods, strict=False):
        ax.set_title(method_name(method).replace(" (", "\n("), loc="left")  # panels of many methods are narrow
    return figure, axes


def label_rows(axes, label):
    """Name the vertical axis that the panels of a row share."""
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(label)


def legend_outside(figure, ax, loc="outside right upper", title=None):
    """A legend of what `ax` shows, outside of all panels: in a narrow figure above them, in as many columns as fit."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    narrow = is_narrow(figure.get_figwidth())
    if "right" in loc and not narrow:
        figure.legend(handles, labels, loc=loc, title=title)
        return
    loc = loc.replace("right upper", "upper center")
    style = {"title": title, "columnspacing": 1, "handlelength": 1.3} if narrow else {"title": title}
    for columns in range(len(labels), 0, -1):
        legend = figure.legend(handles, labels, loc=loc, ncols=columns, **style)
        size = legend.get_window_extent()
        if columns == 1 or size.width <= figure.bbox.width - 2 * GAP:
            break
        legend.remove()
    if narrow:  # the panels keep their height
        figure.set_figheight(figure.get_figheight() + size.height / figure.dpi)


def arrange_texts(figure):
    """Break titles and labels that need more room than there is into lines, and fix the places of all panels."""
    layout = figure.get_layout_engine()
    layout.execute(figure)
    if _wrap_texts(figure):
        layout.execute(figure)
    figure.set_layout_engine("none")  # the places stand, and need not be found again for each file


def _wrap_texts(figure):
    """Break what is too long; returns how many texts were."""
    wrapped = 0
    for text, room in [*_texts_of_figure(figure), *(text for ax in figure.axes for text in _texts_of_axes(figure, ax))]:
        box = text.get_window_extent()
        length = box.height if text.get_rotation() == 90 else box.width
        if length > room > 0:
            longest = max(map(len, text.get_text().split("\n")))
            letters = max(8, int(longest * room / length))
            text.set_text("\n".join(_break(line, letters) for line in text.get_text().split("\n")))
            wrapped += 1
    return wrapped


def _break(line, letters):
    """A line in as few lines of at most so many letters as it needs, all about equally long."""
    lines = textwrap.wrap(line, letters, break_long_words=False)
    while letters > 1 and len(shorter := textwrap.wrap(line, letters - 1, break_long_words=False)) == len(lines):
        lines, letters = shorter, letters - 1
    return "\n".join(lines)


def _texts_of_figure(figure):
    """(text, room in pixels) of what belongs to all panels."""
    box = figure.bbox
    return [(text, (box.height if text.get_rotation() == 90 else box.width) - 2 * GAP) for text in figure.texts]


def _texts_of_axes(figure, ax):
    """(text, room in pixels) of the title and the labels of one panel: the room ends where the next panel begins."""
    box = ax.get_window_extent()
    left, right = _room_around(figure, box, "intervalx", "intervaly")
    below, above = _room_around(figure, box, "intervaly", "intervalx")
    across, upright = box.intervalx.mean(), box.intervaly.mean()
    return [
        (ax._left_title, right - box.x0 - GAP),
        (ax.xaxis.label, 2 * min(across - left, right - across) - 2 * GAP),
        (ax.yaxis.label, 2 * min(upright - below, above - upright) - 2 * GAP),
    ]


def _room_around(figure, box, along, across):
    """Where the panel before this one ends and the next one begins, or the picture does, in pixels of one direction."""
    low, high = getattr(figure.bbox, along)
    begin, end = getattr(box, along)
    for other in (ax.get_window_extent() for ax in figure.axes):
        mine, theirs = getattr(box, across), getattr(other, across)
        if min(mine.max(), theirs.max()) <= max(mine.min(), theirs.min()):
            continue  # it is in another row or column
        first, last = getattr(other, along)
        if last <= begin:
            low = max(low, last)
        if first >= end:
            high = min(high, first)
    return low, high
