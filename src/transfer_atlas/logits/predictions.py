"""What logits say: the predictions table, and the mean softmax over the images of each class."""

import numpy as np
import pandas as pd
import torch


class ClassMeans:
    """Mean softmax over the images of each class."""

    def __init__(self, classes):
        """Begin without images."""
        self.sums = torch.zeros(classes, classes, dtype=torch.float64)
        self.counts = torch.zeros(classes, dtype=torch.long)

    def add(self, logits, labels):
        """Count logits [images, classes] of images with these labels, int [images]."""
        labels = torch.tensor(np.asarray(labels), dtype=torch.long)
        self.sums.index_add_(0, labels, logits.double().softmax(dim=1))
        self.counts += labels.bincount(minlength=len(self.counts))

    def means(self):
        """float32 [classes, classes]: row c is the mean softmax over the images of class c, 0 without images."""
        return (self.sums / self.counts.clamp(min=1)[:, None]).float().numpy()


def predict(index, logits):
    """Turn logits into the predictions table.

    Args:
        index: images table of the split, in the order of the logits.
        logits: float32 [images, classes]; not the float16 of the file, whose ties would change predictions.

    Returns:
        DataFrame of the predictions table.
    """
    return predictions_table(index, prediction_columns(logits, index["label"]))


def prediction_columns(logits, labels):
    """Columns of the predictions table that follow from logits [images, classes]: dict of column to tensor [images]."""
    labels = torch.tensor(np.asarray(labels), dtype=torch.long)
    probabilities = logits.double().softmax(dim=1)  # [images, classes]
    prediction = logits.argmax(dim=1)
    return {
        "prediction": prediction,
        "correct": prediction == labels,
        "confidence": probabilities.amax(dim=1),
        "label_probability": probabilities.gather(1, labels[:, None]).squeeze(1),
    }


def predictions_table(index, columns):
    """The predictions table of an images table and its `prediction_columns`."""
    return pd.DataFrame(
        {"image": index["image"], "label": index["label"], **{name: column.numpy() for name, column in columns.items()}}
    )
