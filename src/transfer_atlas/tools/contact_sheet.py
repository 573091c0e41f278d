"""All figures of a study on one picture: `python -m transfer_atlas.tools.contact_sheet results/<study> --width column`."""

import argparse
from pathlib import Path

from PIL import Image

from transfer_atlas.errors import InputError
from transfer_atlas.store.files import atomic
from transfer_atlas.study.figures import WIDTHS

WIDTH, GAP = 4800, 60  # of the picture and between figures, in pixels


def contact_sheet(paths):
    """Figures side by side in their own sizes, row by row.

    Args:
        paths: PNG files.

    Returns:
        PIL image.

    Raises:
        InputError: there are none.
    """
    if not paths:
        raise InputError(
            "no PNG files there; make them with: snakemake --cores 2 figures figures_at_all_widths"
            " --configfile <your study's config files>"
        )
    placed, left, top, below = [], 0, 0, 0
    for path in paths:
        with Image.open(path) as opened:
            figure = opened.convert("RGB")
        if left and left + figure.width > WIDTH:
            left, top = 0, below
        placed.append((figure, left, top))
        left, below = left + figure.width + GAP, max(below, top + figure.height + GAP)
    sheet = Image.new("RGB", (WIDTH, below), "white")
    for figure, x, y in placed:
        sheet.paste(figure, (x, y))
    return sheet


def main(arguments=None):
    """Write the picture into the results folder of the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of the study")
    parser.add_argument(
        "--width", choices=WIDTHS, help="of figures_at_all_widths; without it, the figures in their own widths"
    )
    parsed = parser.parse_args(arguments)
    path = parsed.results / f"contact_sheet{f'_{parsed.width}' if parsed.width else ''}.png"
    sheet = contact_sheet(sorted((parsed.results / "figures" / (parsed.width or "")).glob("*.png")))
    with atomic(path) as partial:
        sheet.save(partial, format="PNG")
    print(path)


if __name__ == "__main__":
    main()
