"""Pretrained weights from the hub, downloaded once, so that no later job needs a network."""

import hashlib
from pathlib import Path

import timm
import torch

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.zoo.build import check_architecture
from transfer_atlas.zoo.weights import save_weights

FILES = ("model.safetensors", "pytorch_model.bin")


def fetch_weights(row, classes, path, on_error):
    """Download the weights that timm names for a model, and write them as the safetensors file `path`.

    Args:
        row: row of the zoo sheet: model, architecture, and where it says them revision and sha256.
        classes: number of classes that the model must predict.
        path: file to write.
        on_error: `exclude` writes the reason in place of weights, and the study goes on without the model.

    Raises:
        InputError: timm or the hub does not have them, they are not those of the sheet, or the hub is out of reach
            (on_error: fail).
    """
    try:
        check_architecture(row, classes, hub=True)
        weights, reason = timm.models.load_state_dict(_download(row)), None
    except InputError as error:
        if on_error == "fail":
            raise
        print(f"excluded: {error}")
        weights, reason = {}, str(error)
    save_weights({name: value.contiguous() for name, value in weights.items()}, path, reason)


def _download(row):
    """Path of the file in the hub's own cache, checked against the sheet."""
    config = timm.get_pretrained_cfg(row["architecture"])
    try:
        file = _from_hub(config.hf_hub_id, row.get("revision")) if config.hf_hub_id else _from_address(config.url)
    except Exception as error:
        # the hub's client and torch raise a dozen kinds; whatever it is, the file is not there
        raise InputError(
            f"model {row['model']}: weights of {config.hf_hub_id or config.url} cannot be fetched ({one_line(error)}); "
            "run where there is a network, or name a local file in the sheet"
        ) from error
    found = _sha256(file)
    if row.get("sha256", found) != found:
        raise InputError(f"model {row['model']}: {file} has SHA-256 {found}, but the sheet says {row['sha256']}")
    print(f"fetched {file}, SHA-256 {found}")
    return str(file)


def _from_hub(repository, revision):
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return hf_hub_download(repository, FILES[0], revision=revision)
    except LocalEntryNotFoundError:  # the hub was not reached at all
        raise
    except EntryNotFoundError:
        return hf_hub_download(repository, FILES[1], revision=revision)


def _from_address(url):
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target))
    return target


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pin(architecture):
    """Revision and SHA-256 of a model's weights on the hub as they stand today, as cells of a sheet.

    Raises:
        InputError: the hub does not have them, or is out of reach.
    """
    from huggingface_hub import HfApi

    repository = timm.get_pretrained_cfg(architecture).hf_hub_id
    if not repository:
        raise InputError(f"{architecture}: its weights are not on the hub, so they have no revision")
    try:
        found = HfApi().model_info(repository, files_metadata=True)
    except Exception as error:  # as in `_download`
        raise InputError(f"{repository}: cannot be looked up on the hub ({one_line(error)})") from error
    files = {file.rfilename: file for file in found.siblings}
    name = next(name for name in FILES if name in files)
    return {"revision": found.sha, "sha256": files[name].lfs.sha256}
