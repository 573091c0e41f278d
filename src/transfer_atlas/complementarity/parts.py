"""All pairs of a zoo whose table, or whose predictions, do not fit into memory.

The table becomes a folder of files, each with all pairs of some students. What is done stands in a folder beside it, from which a
job that was killed goes on.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from transfer_atlas.complementarity.counts import PairCounter
from transfer_atlas.complementarity.examples import check_examples, choose_examples, count_flips_by_class
from transfer_atlas.complementarity.packed_zoo import parts_of
from transfer_atlas.complementarity.pair_table import tabulate_chunks
from transfer_atlas.logits.zoo_predictions import store_zoo_predictions
from transfer_atlas.store.arrays import StoredArray, save_array
from transfer_atlas.store.files import save_text
from transfer_atlas.store.tables import part_name, read_table, write_chunks, write_table

SAMPLED_MODELS = 1000  # whose pairs are the sample that figures show


def compare_in_parts(paths, embeddings, outputs, students_per_file, recipe, provenance, accepted=None):
    """Compare all ordered pairs of a zoo of any size, with bounded memory.

    Args:
        paths: predictions tables, or their folder, as in `read_zoo_predictions`.
        embeddings: as in `PairCounter`.
        outputs: paths to write: `complementarity`, a folder of tables; `sample`, the complementarity table of SAMPLED_MODELS
            drawn at random; `flips_by_class`.
        students_per_file: students of a file of the folder.
        recipe: dict with `examples`, as in `choose_examples`, `same_network`, as in `PairCounter`, and `code`; what was begun
            with another one is begun again.
        provenance: Provenance of the job.
        accepted: as in `PairCounter`.

    Raises:
        InputError: as `choose_examples`, `PairCounter` and `store_zoo_predictions` do.
    """
    begun = _begun_folder(outputs["complementarity"], _digest(paths, embeddings, accepted, recipe, students_per_file))
    predicted = store_zoo_predictions(paths, begun)
    check_examples(predicted.models, recipe["examples"])

    def new_array(shape, kind):
        return StoredArray(begun / "signed.npy", kind, shape)

    counter = PairCounter(predicted, embeddings, recipe["same_network"], accepted, TileFiles(begun), new_array)
    examples = choose_examples(counter.zoo.models, counter.zoo.right, recipe["examples"])
    _write_parts(counter, begun / "parts", begun / "samples", students_per_file, provenance)
    models = counter.zoo.models
    samples = (read_table(file) for file in sorted((begun / "samples").iterdir()))
    about = {"sample": f"{min(SAMPLED_MODELS, len(models)):,} of {len(models):,} models, drawn at random"}
    write_chunks(samples, "complementarity", outputs["sample"], about | provenance.record())
    write_table(
        count_flips_by_class(predicted, examples), "flips_by_class", outputs["flips_by_class"], provenance.record()
    )
    shutil.rmtree(outputs["complementarity"], ignore_errors=True)
    (begun / "parts").replace(outputs["complementarity"])
    shutil.rmtree(begun)


class TileFiles:
    """Tiles of `SymmetricCounts` as files of a folder."""

    def __init__(self, folder):
        self._folder = folder

    def _path(self, key):
        return self._folder / f"tile-{key[0]:05d}-{key[1]:05d}.npy"

    def __contains__(self, key):
        return self._path(key).exists()

    def __getitem__(self, key):
        return np.load(self._path(key), mmap_mode="r")

    def __setitem__(self, key, tile):
        save_array(self._path(key), tile)


def _write_parts(counter, folder, samples, students_per_file, provenance):
    """Write the parts that are missing, and of each the rows that belong to the sample."""
    models = counter.zoo.models
    drawn = np.random.default_rng(0).permutation(len(models))[:SAMPLED_MODELS]
    sampled = {models[place] for place in drawn}
    parts = parts_of(len(models), students_per_file)
    for number, part in enumerate(parts):
        if not (folder / part_name(number)).exists():
            about = {"part": number, "parts": len(parts)} | provenance.record()
            chunks = _keep_sample(tabulate_chunks(counter, part.start, part.stop), sampled, samples / part_name(number))
            write_chunks(chunks, "complementarity", folder / part_name(number), about)
            print(
                f"students {part.start + 1:,} to {part.stop:,} of {len(models):,} are compared with all models",
                flush=True,
            )


def _keep_sample(chunks, sampled, path):
    """Yield the chunks, and write the pairs of sampled models to `path` after the last one."""
    kept = []
    for chunk in chunks:
        kept.append(chunk[chunk["student"].isin(sampled) & chunk["teacher"].isin(sampled)])
        yield chunk
    write_chunks(kept, "complementarity", path)


def _begun_folder(output, digest):
    """The folder beside `output` in which it is made; empty where what was begun had other inputs."""
    folder = Path(output).with_name(f".{Path(output).name}.begun")
    stamp = folder / "inputs.txt"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_text(stamp, digest)
    return folder


def _digest(paths, embeddings, accepted, recipe, students_per_file):
    """Digest of all that the table depends on; tables of predictions by name, size and time of writing."""
    files = sorted(Path(paths).glob("*.parquet")) if isinstance(paths, str) else list(map(Path, paths))
    found = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    described = [found, recipe, students_per_file, [list(map(int, classes)) for classes in accepted or ()]]
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True, default=str).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(embeddings).data)
    return digest.hexdigest()
