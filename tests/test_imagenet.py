"""The paper's study as config: its sheet agrees with timm and the paper, and its plan needs neither images nor network."""

import io

import pytest
import torch
from conftest import ROOT, ZOO_SCHEMA
from running import copy_repository, planned

from transfer_atlas.errors import InputError
from transfer_atlas.study.sheet import geometry_of, read_zoo
from transfer_atlas.zoo.build import build_model, normalisation
from transfer_atlas.zoo.sheet import complete, hub_rows, write

ZOO = read_zoo(ROOT / "config/imagenet_zoo.tsv", ZOO_SCHEMA, {})
# million parameters, from the paper's tables of students and teachers (arXiv 2310.17653)
PARAMETERS = {
    "xcit_large_24_p16_224.fb_in1k": 189.1,
    "vit_base_patch16_224.augreg_in21k_ft_in1k": 86.57,
    "pit_b_224.in1k": 73.76,
    "vit_relpos_medium_patch16_224.sw_in1k": 38.75,
    "pit_xs_224.in1k": 10.62,
    "pit_xs_distilled_224.in1k": 11.0,
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k": 194.03,
    "senet154.gluon_in1k": 115.09,
    "wide_resnet50_2.racm_in1k": 68.88,
    "resnet101c.gluon_in1k": 44.57,
    "resnetv2_50.a1h_in1k": 25.55,
    "resnet34.gluon_in1k": 21.8,
    "resnetv2_50x1_bit.goog_distilled_in1k": 25.55,
    "mixer_l16_224.goog_in21k_ft_in1k": 208.2,
    "mixer_b16_224.miil_in21k_ft_in1k": 59.88,
    "mixer_b16_224.goog_in21k_ft_in1k": 59.88,
    "resmlp_36_224.fb_in1k": 44.69,
    "resmlp_24_224.fb_in1k": 30.02,
    "resmlp_12_224.fb_in1k": 15.35,
    "resmlp_24_224.fb_distilled_in1k": 30.02,
    "resnext101_32x8d.fb_swsl_ig1b_ft_in1k": 88.79,
    "convnext_small.fb_in22k_ft_in1k": 50.22,
    "convnext_large.fb_in22k_ft_in1k": 197.77,
    "volo_d4_224.sail_in1k": 192.96,
    "volo_d2_224.sail_in1k": 58.68,
    "swin_s3_base_224.ms_in1k": 71.13,
    "twins_svt_large.in1k": 99.27,
    "twins_pcpvt_large.in1k": 60.99,
    "resnext50_32x4d.fb_swsl_ig1b_ft_in1k": 25.03,
    "vit_small_patch16_224.augreg_in21k_ft_in1k": 22.05,
    "regnety_320.pycls_in1k": 145.05,
    "regnetx_320.pycls_in1k": 107.81,
    "gmlp_s16_224.ra3_in1k": 19.42,
    "coat_lite_mini.in1k": 11.01,
    "dla102.in1k": 33.27,
    "regnety_006.pycls_in1k": 6.06,
    "xcit_nano_12_p8_224.fb_in1k": 3.05,
    "vgg13_bn.tv_in1k": 133.05,
}


def test_the_papers_sheet_is_what_timm_says(tmp_path):
    """Byte for byte what the command writes from the sheet without its recipe columns."""
    text = (ROOT / "config/imagenet_zoo.tsv").read_text()
    bare = "\n".join("\t".join(line.split("\t")[:4]) for line in text.splitlines())
    (tmp_path / "bare.tsv").write_text(bare + "\n")
    written = io.StringIO()
    write(complete(tmp_path / "bare.tsv"), written)
    assert written.getvalue() == text


def test_the_hub_sheet_has_every_model_of_1000_classes():
    hub = read_zoo(ROOT / "config/imagenet_hub.tsv", ZOO_SCHEMA, {})
    assert len(hub) >= 1321
    assert set(ZOO) <= set(hub)
    installed = {row["model"] for row in hub_rows(1000)}
    assert len(installed & set(hub)) >= 0.95 * len(hub)  # another timm may have dropped or renamed some


@pytest.mark.parametrize("model", PARAMETERS)
def test_the_papers_models_build_with_the_papers_size(model):
    row = ZOO[model]
    with torch.device("meta"):
        network = build_model(row | {"weights": "random"}, 1000, geometry_of(row, {}, "")["input_size"])
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(PARAMETERS[model], rel=0.01)
    assert normalisation(network) == (tuple(row["mean"]), tuple(row["std"]))


def test_a_sheet_is_completed_where_it_says_nothing(tmp_path):
    (tmp_path / "z.tsv").write_text(
        "model\tarchitecture\tweights\tinput_size\nresnet50.mine\tresnet50.a1_in1k\tmine.pth\t160\n"
    )
    row = complete(tmp_path / "z.tsv")[0]
    assert (row["weights"], row["input_size"], row["crop_pct"]) == ("mine.pth", "160", "0.95")
    (tmp_path / "z.tsv").write_text("model\tarchitecture\tweights\nresnet50.mine\tresnet51\tmine.pth\n")
    with pytest.raises(InputError, match=r"z.tsv: model resnet50.mine: timm has no model 'resnet51'; did you mean"):
        complete(tmp_path / "z.tsv")


@pytest.mark.parametrize(
    ("overlay", "models", "transfers"),
    [
        # 20 x 20 without resmlp_36 teaching itself, 5 methods with a teacher; two controls share a job
        ("", 47, 5 * 399 + 20),
        # two of the ten are teachers too
        (" config/imagenet_ten_students.yaml", 47, 5 * 198 + 10),
        (" config/imagenet_full.yaml", 47, 2 * 32 + 8),
        (" config/imagenet_three_teachers.yaml", 47, 9 + 3),
        (" config/imagenet_baselines.yaml", 47, 8 * 399 + 20),
    ],
)
def test_the_full_fan_out_is_planned_without_images_or_network(tmp_path_factory, overlay, models, transfers):
    clone = copy_repository(tmp_path_factory.mktemp("imagenet") / "transfer-atlas")
    jobs = planned(clone, overlay="config/imagenet.yaml" + overlay)
    asked = sum(jobs.get(f"compute_{kind}", 0) for kind in ("logits", "predictions", "predictions_alone"))
    assert asked == jobs["fetch_weights"] == models
    assert sum(count for rule, count in jobs.items() if rule.startswith("transfer_")) == transfers
