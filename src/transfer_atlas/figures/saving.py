"""How a figure is saved: long names lose their middle, long lines are broken, and the same data give the same bytes."""

import re
import warnings
from pathlib import Path

from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from transfer_atlas.figures.layout import arrange_texts, is_narrow
from transfer_atlas.figures.style import paper_style
from transfer_atlas.store.files import atomic

LONGEST_LABEL = 32  # letters of a name; the middle of a longer one is left out
LONGEST_IN_A_COLUMN = 20


def save_figure(figure, paths, note=""):
    """Save a figure to every path, with a note below it; the same data give the same bytes."""
    if note:
        figure.supxlabel(note, fontsize=6, color="dimgrey")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with paper_style():
            _shorten_labels(figure)
            arrange_texts(figure)
            for path in paths:
                dates = {"CreationDate": None} if Path(path).suffix == ".pdf" else {}
                with atomic(path) as partial:
                    figure.savefig(partial, format=Path(path).suffix[1:], metadata=dates)
    _report_missing_letters([str(warning.message) for warning in caught])


def _shorten_labels(figure):
    longest = LONGEST_IN_A_COLUMN if is_narrow(figure.get_figwidth()) else LONGEST_LABEL
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        labels = [label.get_text() for label in axis.get_majorticklabels()]
        if isinstance(axis.get_major_locator(), FixedLocator) and any(
            shorten(label, longest) != label for label in labels
        ):
            axis.set_ticks(axis.get_majorticklocs(), [shorten(label, longest) for label in labels])
    for text in figure.findobj(Text):
        most = LONGEST_LABEL if text in figure.texts else longest  # that of all panels has the whole width
        if (shown := text.get_text()) != shorten(shown, most):
            text.set_text(shorten(shown, most))


def shorten(text, longest=LONGEST_LABEL):
    """A text whose words of more than `longest` letters, long names, keep their first and last letters."""
    half = longest // 2 - 1
    return re.sub(rf"\S{{{longest + 1},}}", lambda word: f"{word[0][:half]}…{word[0][-half:]}", text)


def _report_missing_letters(messages):
    """One line for all letters that no font here has; other warnings as they are."""
    missing = [message for message in messages if "missing from font" in message]
    for message in dict.fromkeys(message for message in messages if message not in missing):
        print(message)
    if missing:
        print(
            f"{len(set(missing))} letters of names are in no font of this machine and are drawn as boxes; install fonts-noto-cjk"
        )
