"""A network as a folder that timm loads, or, where timm has no such architecture, with the lines that load it."""

import timm

from transfer_atlas.zoo.build import is_class_path, normalisation
from transfer_atlas.zoo.weights import save_weights

WEIGHTS = "model.safetensors"


def export_network(network, row, geometry, class_names, folder):
    """Write `model.safetensors`, and `config.json` as timm writes it where the architecture is one of timm's.

    Args:
        network: the network.
        row: its row in the zoo sheet.
        geometry: its evaluation geometry.
        class_names: names of the classes, or None.
        folder: where to write.
    """
    if is_from_timm(row):
        # without the source's advice for testing: this geometry is the one that was evaluated
        source = {key: value for key, value in network.pretrained_cfg.items() if not key.startswith("test_")}
        network.pretrained_cfg = source | input_settings(network, geometry)
        names = {"label_names": class_names} if class_names else {}
        timm.models.save_for_hf(network, folder, names, row["kwargs"], safe_serialization=True)
    save_weights(network.state_dict(), folder / WEIGHTS)  # with a checksum


def input_settings(network, geometry):
    """What a network expects of its input, in timm's words."""
    mean, std = normalisation(network)
    named = {key: geometry[key] for key in ("crop_pct", "crop_mode", "interpolation")}
    return {"input_size": (3, geometry["input_size"], geometry["input_size"]), **named, "mean": mean, "std": std}


def is_from_timm(row):
    """Whether `timm.create_model` builds the network from plain arguments."""
    plain = not any(map(is_class_path, row["kwargs"].values()))
    return plain and timm.is_model(row["architecture"].split(".")[0])


def loading_code(row, classes, settings, folder):
    """Lines of Python that load the network and make its transform; they need timm, and no Transfer Atlas.

    Args:
        row: row of the zoo sheet.
        classes: number of classes.
        settings: of `input_settings`.
        folder: where the network was exported to.
    """
    if is_from_timm(row):
        return [
            "import timm",
            f'network = timm.create_model("local-dir:{folder}", pretrained=True).eval()',
            "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))",
        ]
    arguments = {key: _literal(value) for key, value in row["kwargs"].items()}
    module, _, name = row["architecture"].rpartition(":")
    if not module:
        name = row["architecture"]
        arguments = {"num_classes": classes, "img_size": settings["input_size"][1]} | arguments
    call = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return [
        "import timm",
        *([f"from {module} import {name.split('.')[0]}"] if module else []),
        "from safetensors.torch import load_file",
        f"network = {name}({call}).eval()",
        f'network.load_state_dict(load_file("{folder}/{WEIGHTS}"))',
        "transform = timm.data.create_transform("
        + ", ".join(f"{key}={value!r}" for key, value in settings.items())
        + ")",
    ]


def _literal(value):
    """An argument as Python writes it: a dotted path into timm is the object that it names."""
    return value if is_class_path(value) else repr(value)


def licence_of(row):
    """Licence of a model's weights as timm knows it; None where it does not, as for weights that are not of the hub."""
    return timm.get_pretrained_cfg(row["architecture"]).license if row["weights"] == "hub" else None
