"""Models: built, refused, normalised, measured."""

import argparse
import copy

import numpy as np
import pytest
import timm
import torch
from conftest import ZOO_SCHEMA

from transfer_atlas.errors import InputError
from transfer_atlas.study.architectures import check_architectures, timm_architectures
from transfer_atlas.study.sheet import read_zoo
from transfer_atlas.zoo.anatomy import dissect
from transfer_atlas.zoo.build import Input, build_model, logits_of, normalisation
from transfer_atlas.zoo.depthwise import DepthwiseConv2d, speed_up_depthwise
from transfer_atlas.zoo.estimate import estimate_study
from transfer_atlas.zoo.weights import save_weights

FAMILIES = {
    "resnet50": "convolution",
    "mixnet_s": "convolution",
    "convnext_tiny": "convolution",
    "mobilenetv3_small_100": "convolution",
    "vit_small_patch16_224": "transformer",
    "swin_tiny_patch4_window7_224": "transformer",
    "xcit_nano_12_p16_224": "transformer",
    "volo_d1_224": "transformer",
    "coat_lite_mini": "transformer",
    "pit_b_224": "transformer",
    "mixer_b16_224": "mlp",
    "resmlp_12_224": "mlp",
    "gmlp_s16_224": "mlp",
}


@pytest.mark.parametrize(("architecture", "family"), FAMILIES.items())
def test_family_is_measured_from_the_network(architecture, family):
    _, anatomy = dissect({"model": "m.t", "architecture": architecture, "kwargs": {}}, 1000, 224)
    assert anatomy.family == family


def test_size_of_a_known_network():
    _, anatomy = dissect({"model": "m.t", "architecture": "resnet50", "kwargs": {}}, 1000, 224)
    assert anatomy.parameters == 25_557_032
    assert anatomy.macs == pytest.approx(4.09e9, rel=0.01)


def test_a_class_of_timm_with_its_parts():
    kwargs = {"patch_size": 4, "num_blocks": 2, "embed_dim": 16, "mlp_ratio": 4, "mlp_layer": "timm.layers.GatedMlp"}
    kwargs["block_layer"] = "timm.models.mlp_mixer.SpatialGatingBlock"
    row = {"model": "m.t", "architecture": "timm.models.mlp_mixer.MlpMixer", "kwargs": kwargs, "weights": "random"}
    assert build_model(row, 7, 32)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert dissect(row, 7, 32)[1].family == "mlp"


def own_row(**change):
    half = [0.5, 0.5, 0.5]
    row = {"model": "m.t", "architecture": "torchvision.models:resnet18", "kwargs": {"num_classes": 10}}
    return {**row, "weights": "random", "mean": half, "std": half, **change}


def test_a_network_of_torchvision_with_local_weights(tmp_path):
    torchvision = build_model(own_row(), 10, 32, seed=3)
    save_weights(torchvision.state_dict(), tmp_path / "w.safetensors")
    model = build_model(own_row(weights=str(tmp_path / "w.safetensors")), 10, 32, tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(images), torchvision(images))
    assert normalisation(model) == ((0.5,) * 3, (0.5,) * 3)
    _, anatomy = dissect(own_row(), 10, 32)
    assert (anatomy.family, anatomy.parameters) == ("convolution", 11_181_642)


def test_a_network_of_a_module_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n\ndef tiny(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    row = own_row(architecture="my_networks:tiny", kwargs={"classes": 4})
    assert build_model(row, 4, 8)(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    with pytest.raises(InputError, match=r"model \S+: the output for one image is \(1, 4\), but should be \(1, 5\)"):
        build_model(row, 5, 8)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"architecture": "torchvision.models:resnet18"}, "is not timm's, so its row must say mean and std"),
        (own_row(weights="hub"), "so its weights must be a local file or train:<recipe>, not hub"),
        (own_row(architecture="nowhere:net"), "cannot be built from nowhere:net"),
        ({"architecture": "resnet51"}, "model m.t: timm has no architecture 'resnet51'; did you mean resnet"),
        ({"kwargs": {"depth": 3}}, "model m.t: cannot be built from test_resnet"),
        ({"architecture": "resnet18.a1_in1k", "weights": "hub"}, "has 1000 classes, but images.classes is 10"),
        ({"architecture": "gmixer_12_224", "weights": "hub"}, "timm has no pretrained weights for gmixer_12_224"),
        (
            {"architecture": "resnet18.none", "weights": "hub"},
            "timm has no weights resnet18.none; did you mean resnet18.",
        ),
        (
            {"architecture": "tf_efficientnet_b0_ns", "weights": "hub"},
            "timm calls tf_efficientnet_b0_ns tf_efficientnet_b0.ns_jft_in1k now; write that",
        ),
        ({"kwargs": {"in_chans": 1}}, "model m.t: cannot take an RGB image of 32 x 32 pixels: Given groups=1"),
        ({"architecture": "inception_v3"}, "model m.t: cannot take an RGB image of 32 x 32 pixels: Calculated padded"),
    ],
)
def test_a_row_that_cannot_be_built_is_one_line(change, line):
    row = {"model": "m.t", "architecture": "test_resnet", "kwargs": {}, "weights": "random"} | change
    with pytest.raises(InputError) as error:
        build_model(row, 10, 32)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_of_another_architecture_are_refused(tmp_path, vit_row, resnet_row):
    from safetensors.torch import save_file

    save_file(build_model(vit_row, 10, 32).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"test_resnet.t: cannot be built .*w.safetensors"):
        build_model(resnet_row, 10, 32, tmp_path / "w.safetensors")


def test_local_weights_give_the_same_answers(tmp_path, resnet_row):
    from safetensors.torch import save_file

    model = build_model(resnet_row, 10, 32, seed=1)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(build_model(resnet_row, 10, 32, tmp_path / "w.safetensors")(images), model(images))


def test_input_is_normalised_as_the_model_expects(resnet_row):
    model = build_model(resnet_row, 10, 32)
    mean, std = normalisation(model)
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(Input(model)(pixels), expected)


@pytest.mark.parametrize("options", [{}, {"kernel_size": (3, 7), "padding": (1, 3)}, {"dilation": 2, "padding": 4}])
@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (2, 2), (3, 1)])
def test_a_depthwise_convolution_is_the_same_where_it_multiplies(options, side, stride):
    options = {"kernel_size": 5, "padding": 2, "stride": stride, "groups": 8, "bias": False} | options
    plain = torch.nn.Conv2d(8, 8, **options)
    fast = copy.deepcopy(plain)
    speed_up_depthwise(fast)
    assert type(fast) is DepthwiseConv2d and fast.state_dict().keys() == plain.state_dict().keys()
    images, results = torch.randn(9, 8, side, side), []
    for convolution in (plain, fast):
        x = images.clone().requires_grad_()
        y = convolution(x)
        y.square().sum().backward()
        results.append((y.detach(), x.grad, convolution.weight.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_other_convolutions_are_left_alone():
    others = torch.nn.Sequential(
        torch.nn.Conv2d(8, 8, 3, padding=1, bias=False),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8),  # its bias
        torch.nn.Conv2d(8, 16, 3, padding=1, groups=8, bias=False),
        torch.nn.Conv2d(8, 8, 1, groups=8, bias=False),
        torch.nn.Conv2d(8, 8, 3, padding=2, groups=8, bias=False),
        torch.nn.Conv2d(8, 8, 4, padding=2, groups=8, bias=False),
        torch.nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False, padding_mode="circular"),
    )
    speed_up_depthwise(others)
    assert {type(module) for module in others} == {torch.nn.Conv2d}


def test_a_network_on_small_images_multiplies(resnet_row):
    """MobileNetV3 sees 32 pixels as one in its last stage; its logits and gradients stay what timm's own network gives."""
    built = build_model({**resnet_row, "architecture": "mobilenetv3_small_050"}, 10, 32, seed=3)
    plain = timm.create_model("mobilenetv3_small_050", num_classes=10).eval()
    plain.load_state_dict(built.state_dict())
    images = torch.rand(4, 3, 32, 32)
    for network in (built, plain):
        network(images).square().sum().backward()
    assert any(isinstance(module, DepthwiseConv2d) for module in built.modules())
    for (name, own), of_timm in zip(built.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, of_timm.grad, msg=lambda text, name=name: f"{name}: {text}")


def test_an_estimate_by_hand():
    """Two models of ResNet-50's 4.09 giga multiply-accumulates, two geometries, one transfer of two epochs."""
    rows = {
        name: {"model": name, "architecture": "resnet50", "kwargs": {}, "weights": "hub"} for name in ("a.t", "b.t")
    }
    crop = {"crop_pct": 1.0, "crop_mode": "center", "interpolation": "bicubic"}
    geometries = {"a.t": crop | {"input_size": 224}, "b.t": crop | {"input_size": 224, "crop_pct": 0.9}}
    images = {"train": 1_000_000, "evaluation": 50_000, "transfer": 100_000}
    text = estimate_study(rows, geometries, images, 4, 1000, 0, [("a.t", 2, 1.0)])
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert float(lines["weights"][-1]) == pytest.approx(2 * 25.56e6 * 4 / 1e9, rel=0.01)
    assert float(lines["decoded"][-1]) == pytest.approx(2 * 150_000 * 3 * 224**2 / 1e9, rel=0.01)
    gigabytes, hours = map(float, lines["logits"][-2:])
    assert gigabytes == pytest.approx(2 * 450_000 * 1000 * 2 / 1e9, rel=0.01)
    assert hours == pytest.approx(2 * 2 * 4.09e9 * 450_000 / 1e13 / 3600, rel=0.02)
    assert float(lines["transfers"][-1]) == pytest.approx(
        2 * 4.09e9 * (2 * 3 * 100_000 + 50_000) / 1e13 / 3600, rel=0.02
    )
    assert text.startswith("2 models, 2 evaluation geometry(s), 1,000,000 train images")


def test_random_weights_are_the_same_in_every_process_and_differ_by_seed(vit_row):
    torch.manual_seed(5)
    first, again, other = (build_model(vit_row, 10, 32, seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_model(vit_row, 10, 32)
    assert torch.rand(1) == expected


def checkpoint_of(model, path, **more):
    torch.save({"state_dict": model.state_dict(), **more}, path)
    return path


def test_weights_and_their_average_in_one_file_are_asked_about(tmp_path):
    row = own_row(architecture="torchvision.models:resnet18", kwargs={"num_classes": 4})
    weights, average = (build_model(row, 4, 32, seed=seed) for seed in (1, 2))
    path = checkpoint_of(weights, tmp_path / "both.pth", state_dict_ema=average.state_dict())
    with pytest.raises(InputError, match=r"holds weights \('state_dict'\) and their average .* the column weights_key"):
        build_model(row, 4, 32, path)
    for key, expected in (("state_dict", weights), ("state_dict_ema", average)):
        found = build_model(row | {"weights_key": key}, 4, 32, path)
        assert torch.equal(found.fc.weight, expected.fc.weight)
    with pytest.raises(InputError, match=r"has no 'model' \(column weights_key\), but state_dict, state_dict_ema"):
        build_model(row | {"weights_key": "model"}, 4, 32, path)


def test_numbers_of_numpy_beside_the_weights_do_no_harm(tmp_path):
    row = own_row(architecture="torchvision.models:resnet18", kwargs={"num_classes": 4})
    model = build_model(row, 4, 32, seed=1)
    more = {
        "best": np.float64(0.5),
        "epoch": np.int64(3),
        "args": argparse.Namespace(lr=0.1),
    }  # as timm's train.py writes it
    path = checkpoint_of(model, tmp_path / "n.pth", **more)
    assert torch.equal(build_model(row, 4, 32, path).fc.weight, model.fc.weight)


def test_the_first_of_several_outputs_are_the_logits():
    """GoogLeNet answers with its auxiliary classifiers too while it trains."""
    kwargs = {"num_classes": 4, "init_weights": False, "aux_logits": True}
    model = build_model(own_row(architecture="torchvision.models:googlenet", kwargs=kwargs), 4, 64)
    images = torch.zeros(2, 3, 64, 64)
    assert torch.equal(logits_of(model(images)), model(images))
    assert logits_of(model.train()(images)).shape == (2, 4)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
def test_prefixes_of_parallel_and_compiled_networks_are_taken_off(tmp_path, prefix):
    """As reported for timm in pull request 2003."""
    row = own_row(architecture="torchvision.models:resnet18", kwargs={"num_classes": 4})
    model = build_model(row, 4, 32, seed=1)
    torch.save({f"{prefix}{name}": value for name, value in model.state_dict().items()}, tmp_path / "w.pth")
    assert torch.equal(build_model(row, 4, 32, tmp_path / "w.pth").fc.weight, model.fc.weight)


@pytest.mark.parametrize(("key", "value"), [("mean", [123.675, 116.28, 103.53]), ("std", [58.395, 57.12, 57.375])])
def test_normalisation_of_pixels_up_to_255_is_refused(sheet, key, value):
    cells = {
        "model": "a.x",
        "architecture": "test_vit",
        "weights": "hub",
        "mean": "[0.5,0.5,0.5]",
        "std": "[0.5,0.5,0.5]",
    }
    cells[key] = str(value)
    with pytest.raises(
        InputError, match=rf"row 2: key '{key}\.0': .* \(of pixels in 0 to 1: divide values for 0 to 255 by"
    ):
        read_zoo(sheet(tuple(cells.values()), columns=tuple(cells)), ZOO_SCHEMA, {})


def test_a_pointer_of_git_lfs_in_place_of_weights_is_refused(sheet, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4567\n")
    with pytest.raises(InputError, match=r"w\.safetensors: is a pointer of Git LFS, not the file itself"):
        read_zoo(sheet(("a.x", "test_vit", "", str(tmp_path / "w.safetensors"))), ZOO_SCHEMA, {})


def test_a_size_that_is_no_multiple_of_the_patch_is_refused():
    row = {"model": "m.t", "architecture": "test_vit", "kwargs": {}, "weights": "random"}
    with pytest.raises(InputError, match=r"model m\.t: cannot .*100"):
        build_model(row | {"kwargs": {"img_size": 96}}, 10, 100)


def test_the_architectures_read_from_timms_source_are_those_that_timm_knows():
    names = timm_architectures()
    assert set(timm.list_models()) <= names
    assert all(map(timm.is_model, names))


@pytest.mark.parametrize(
    "architecture", ["resnet18", "resnet18.a1_in1k", "my_models:small", "timm.models.resnet.ResNet"]
)
def test_architectures_of_timm_and_of_ones_own_pass(architecture):
    check_architectures({"m": {"architecture": architecture}}, "zoo.tsv")
