"""Real ImageNet weights on real images: EfficientNet-Lite and the 20 images of foolbox, through our pipeline and timm's."""

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import ROOT, ZOO_SCHEMA, infer
from PIL import Image
from timm.data import create_transform, resolve_data_config

from transfer_atlas.datasets.lite import write_lite
from transfer_atlas.images.parquet_shards import ParquetShards
from transfer_atlas.images.pixels import decode_images, open_pixels
from transfer_atlas.study.sheet import geometry_of, read_sheet, read_zoo
from transfer_atlas.zoo.build import build_model

SHEET = ROOT / "config/lite_zoo.tsv"


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """A folder with the weights and images."""
    folder = tmp_path_factory.mktemp("lite")
    write_lite(folder)
    return folder


@pytest.fixture(scope="module")
def zoo(lite):
    """The rows of the sheet, with weights in that folder."""
    sheet = lite / "zoo.tsv"
    sheet.write_text(SHEET.read_text().replace("data/lite", str(lite)))
    return read_zoo(sheet, ZOO_SCHEMA, {})


@pytest.mark.parametrize(("size", "top1", "top5"), [(0, 18, 19), (1, 18, 20), (2, 18, 20)])
def test_real_weights_recognise_real_images(size, top1, top5, lite, zoo, tmp_path):
    """As many as published weights do through timm's own pipeline, with the same answer to each image."""
    table = pq.read_table(lite / "images.parquet")
    labels = torch.tensor(table.column("label").to_pylist())
    row = zoo[f"tf_efficientnet_lite{size}.google"]
    model = build_model(row, 1000, row["input_size"], row["weights"])
    encoded = ParquetShards([str(lite / "images.parquet")], "image", "label").encoded(pd.DataFrame({"row": range(20)}))
    decode_images(encoded, 20, geometry_of(row, {}, "sheet"), tmp_path / "p.npy")
    logits = infer(model, np.array(open_pixels(tmp_path / "p.npy")), 20)
    five = logits.topk(5, dim=1).indices
    assert (five[:, 0] == labels).sum() == top1
    assert (five == labels[:, None]).any(dim=1).sum() == top5

    transform = create_transform(**resolve_data_config({"crop_pct": 0.875}, model=model))
    images = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in table.column("image").to_pylist()]
    with torch.no_grad():
        theirs = model(torch.stack([transform(image) for image in images]))
    torch.testing.assert_close(logits, theirs, atol=1e-3, rtol=1e-3)
    assert torch.equal(logits.argmax(dim=1), theirs.argmax(dim=1))


def test_the_sheet_names_what_the_extra_brings():
    assert [row["weights"] for row in read_sheet(SHEET, ["model"])] == [
        f"data/lite/lite{size}.pth" for size in range(3)
    ]
