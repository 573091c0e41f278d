"""Snakemake's records of a study, kept beside its results, so that a copied results folder is up to date elsewhere.

Snakemake notes in `.snakemake/metadata` what each output was made from, and compares file times. Both are lost when a
results folder is copied, and everything would be made again. At the end of each run the records and times of a study are
therefore saved in one file of its results folder, and a checkout that meets such a file for the first time restores them.
"""

import gzip
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from transfer_atlas.store.files import atomic

RECORDS = "records.json.gz"
LONGEST_NAME = 254  # Snakemake splits the encoded name of a record into folders of this length


def save_records(results, snakemake):
    """Save the records and file times of a study in its results folder.

    Args:
        results: results folder of the study, relative to the working directory.
        snakemake: Snakemake's own folder, `.snakemake`.
    """
    metadata, records = Path(snakemake) / "metadata", {}
    for path in metadata.rglob("*"):
        if not path.is_file():
            continue
        name = urlsafe_b64decode("".join(path.relative_to(metadata).parts).replace("@", "")).decode()
        if name.startswith(f"{results}/") and Path(name).exists():
            found = _timed(name).stat()
            relative = str(Path(name).relative_to(results))
            records[relative] = {"size": found.st_size, "time": found.st_mtime_ns, "record": path.read_text()}
    if Path(results).is_dir():
        with atomic(Path(results) / RECORDS) as partial:
            partial.write_bytes(
                gzip.compress(json.dumps({"results": str(results), "records": records}).encode(), mtime=0)
            )
        _remember(results, snakemake)


def restore_records(results, snakemake):
    """Restore records and file times where the results folder was copied from elsewhere.

    A file whose size is no longer the recorded one keeps its time, so that what depends on it is made again.

    Returns:
        Number of restored records; 0 where the folder's records were saved or restored here before.
    """
    saved, marker = Path(results) / RECORDS, _marker(results, snakemake)
    if not saved.exists() or (marker.exists() and marker.read_text() == _seen(saved)):
        return 0
    content = json.loads(gzip.decompress(saved.read_bytes()))
    for relative, found in content["records"].items():
        path = Path(results) / relative
        if not path.exists():
            continue
        timed = _timed(path)
        if timed.exists() and timed.stat().st_size == found["size"]:
            os.utime(timed, ns=(found["time"], found["time"]))
        target = _record_path(str(path), snakemake)
        target.parent.mkdir(parents=True, exist_ok=True)
        # a study that was copied under another name has other paths
        target.write_text(found["record"].replace(f"{content['results']}/", f"{results}/"))
    _remember(results, snakemake)
    return len(content["records"])


def _record_path(name, snakemake):
    encoded = urlsafe_b64encode(name.encode()).decode()
    parts = [encoded[start : start + LONGEST_NAME] for start in range(0, len(encoded), LONGEST_NAME)]
    return Path(snakemake, "metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])


def _timed(path):
    """The file whose time Snakemake looks at."""
    return Path(path) / ".snakemake_timestamp" if Path(path).is_dir() else Path(path)


def _marker(results, snakemake):
    return Path(snakemake) / "transfer_atlas" / f"{Path(results).name}.records"


def _seen(saved):
    return f"{saved.stat().st_size} {saved.stat().st_mtime_ns}"


def _remember(results, snakemake):
    marker = _marker(results, snakemake)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(_seen(Path(results) / RECORDS))
