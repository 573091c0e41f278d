"""Embeddings of classes: rows whose cosines say how similar two classes are."""

import numpy as np

from transfer_atlas.errors import InputError, one_line
from transfer_atlas.logits.zoo_predictions import read_each_prediction
from transfer_atlas.store.arrays import open_array


def embed_classes(classes, confusions=None, predictions=None, text_model=None):
    """Embed the classes of a study from one of three sources.

    Args:
        classes: the classes table.
        confusions: .npy files, float32 [classes, classes] of `logits.inference.ClassMeans`, one per model.
        predictions: predictions tables, or their folder; for predictions made elsewhere, whose softmax is unknown.
        text_model: text encoder for the names of the classes, a local folder or a name on the hub.

    Returns:
        float32 [classes, dims].

    Raises:
        InputError: as `embed_names` and `read_each_prediction` do.
    """
    if text_model is not None:
        return embed_names(classes["name"], text_model)
    if confusions is not None:
        return mean_of_files(confusions)
    return mean_predictions(read_each_prediction(predictions), len(classes))


def mean_of_files(paths):
    """Mean of equally shaped .npy files, as float32; those of excluded models are empty and left out."""
    total, count = 0.0, 0
    for path in paths:
        array = open_array(path)
        if array.size:
            total, count = total + array.astype(np.float64), count + 1
    return (total / max(count, 1)).astype(np.float32)


def mean_predictions(predicted, classes):
    """How often the models of a zoo predict each class, per class of the image.

    Args:
        predicted: labels and predicted classes of each model, as of `logits.zoo_predictions.read_each_prediction`.
        classes: number of classes.

    Returns:
        float32 [classes, classes]; row c sums to 1, or to 0 without images.
    """
    counts = np.zeros(classes * classes)
    for labels, prediction in predicted:
        counts += np.bincount(labels.astype(np.int64) * classes + prediction, minlength=classes * classes)
    counts = counts.reshape(classes, classes)
    return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def embed_names(names, text_model):
    """Embed the names of classes with a sentence or CLIP text encoder (the paper's: CLIP ViT-B/32, bare names).

    Args:
        names: names of the classes.
        text_model: for sentence-transformers, a local folder or a name on the hub.

    Returns:
        float32 [classes, dims].

    Raises:
        InputError: a class without a name, the extra `text` is not installed, or the model cannot be loaded.
    """
    if names.isna().any():
        raise InputError("complementarity.class_similarity: the data set names no classes; use confusions, not text")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise InputError(
            "complementarity.class_similarity: text needs sentence-transformers; install transfer-atlas[text]"
        ) from None
    try:
        encoder = SentenceTransformer(text_model)
    except Exception as error:
        # the hub, tokenizers and torch raise their own kinds
        raise InputError(f"complementarity.text_model: {text_model} cannot be loaded: {one_line(error)}") from error
    return np.asarray(encoder.encode(list(names), show_progress_bar=False), np.float32)


def unit_rows(embeddings):
    """Scale the rows of float [classes, dims] to length 1, as float32; rows of zeros stay."""
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.where(length > 0, length, 1)).astype(np.float32)


def mean_cosine(unit):
    """Mean cosine over unordered pairs of different rows; float32 [classes, dims] of unit length; NaN for one row."""
    classes = len(unit)
    if classes < 2:
        return np.nan
    return (np.square(unit.sum(axis=0, dtype=np.float64)).sum() - classes) / (classes * (classes - 1))
