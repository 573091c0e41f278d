"""What it costs to show a teacher the student's picture: python benchmarks/teacher_input.py.

timm's distillation feeds a teacher the student's input; here each model looks at the same augmentation in its own
geometry. EfficientNet-Lite 0, 1 and 2 with real weights (data/lite; inputs of 224, 240 and 260 pixels), 20 images in
10 views of strong augmentation: what a teacher predicts from the student's input against what it predicts from its own.
"""

import pandas as pd
import torch
from torch.nn import functional

from transfer_atlas.images.index import read_index
from transfer_atlas.images.parquet_shards import ParquetShards
from transfer_atlas.images.pixels import decode_images, open_pixels
from transfer_atlas.images.views import Views
from transfer_atlas.logits.inference import infer_batches
from transfer_atlas.study.config import load_schema
from transfer_atlas.study.sheet import geometry_of, read_zoo
from transfer_atlas.zoo.build import build_model

VIEWS = 10
TRANSFORMS = [
    {"name": "RandomResizedCrop", "scale": [0.5, 1.0]},
    {"name": "RandomHorizontalFlip"},
    {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "p": 0.8},
]
SHEET = "config/lite_zoo.tsv"


def predict(model, views):
    """Log-probabilities of all views, [views * images, classes]."""
    found = []
    for view in range(len(views)):
        pixels_of = lambda rows, view=view: views.batch(view, rows)  # noqa: E731
        images = len(views.images)
        found += [logits for _, logits in infer_batches(model, pixels_of, images, images, "cpu")]
    return torch.cat(found).log_softmax(dim=1)


def main():
    """One row per student and teacher."""
    zoo = read_zoo(SHEET, load_schema("workflow/schemas/zoo.schema.yaml"), {})
    reader = ParquetShards(["data/lite/images.parquet"], "image", "label")
    index = read_index(reader, "evaluation", 1000)
    labels, views, models = torch.tensor(index["label"].to_numpy()).repeat(VIEWS), {}, {}
    for name, row in zoo.items():
        geometry = geometry_of(row, {}, SHEET)
        path = f"data/lite/{geometry['input_size']}.npy"
        decode_images(reader.encoded(index), len(index), geometry, path)
        views[name] = Views(open_pixels(path), index["image"], VIEWS, TRANSFORMS, 0)
        models[name] = build_model(row, 1000, geometry["input_size"], row["weights"])
    rows = []
    for teacher, model in models.items():
        own = predict(model, views[teacher])
        for student in zoo:
            if student != teacher:
                shown = predict(model, views[student])
                apart = functional.kl_div(shown, own, reduction="none", log_target=True).sum(dim=1)
                rows.append(
                    {
                        "teacher": teacher,
                        "shown the input of": student,
                        "KL(own, shown) (nats)": apart.mean().item(),
                        "same prediction (%)": 100 * (own.argmax(1) == shown.argmax(1)).float().mean().item(),
                        "accuracy, own (%)": 100 * (own.argmax(1) == labels).float().mean().item(),
                        "accuracy, shown (%)": 100 * (shown.argmax(1) == labels).float().mean().item(),
                    }
                )
    print(pd.DataFrame(rows).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
