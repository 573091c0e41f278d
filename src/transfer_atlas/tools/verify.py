"""Remove what is damaged from a study's results: `make verify`, or `python -m transfer_atlas.tools.verify <folder> ...`.

Every table, array, weights file and checkpoint is read against the checksums that were written with it. What is removed
the next run makes again, where something still needs it. Figures and texts have no checksums.
"""

import sys
from pathlib import Path

from tqdm import tqdm

from transfer_atlas.errors import InputError
from transfer_atlas.store.arrays import open_array
from transfer_atlas.store.checksums import check_weights, check_zip
from transfer_atlas.store.tables import read_table

CHECKS = {".parquet": read_table, ".npy": open_array, ".safetensors": check_weights, ".pt": check_zip}


def remove_damaged(folder):
    """Check all files under a folder, and remove those that are damaged.

    Args:
        folder: results of a study, or any folder of them.

    Returns:
        (checked, reasons): how many files have checksums, and one line per removed file.

    Raises:
        InputError: no such folder.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder; give the results of a study, such as results/embedded")
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in CHECKS and path.is_file())
    reasons = []
    for path in tqdm(files, desc=str(folder), unit="file", disable=None):
        try:
            CHECKS[path.suffix](path)
        except InputError as error:
            reasons.append(str(error))
            path.unlink()
    return len(files), reasons


def main(folders):
    """Print a line for each removed file and one for each folder; the exit status is 1 where something was removed."""
    sick = False
    for folder in folders:
        try:
            checked, reasons = remove_damaged(folder)
        except InputError as error:
            sys.exit(f"error: {error}")
        for reason in reasons:
            print(f"removed {reason}")
        print(f"{folder}: {checked:,} files checked, {len(reasons):,} damaged and removed")
        sick = sick or bool(reasons)
    return int(sick)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
