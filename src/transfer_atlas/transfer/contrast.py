"""Contrastive baselines of the paper: the student's features come to resemble the teacher's, which are on disk."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def contrast_of(spec, labels, student_features, teacher_features):
    """The contrast that a recipe asks for.

    Args:
        spec: the transfer.
        labels: int [transfer images].
        student_features: length of the student's features.
        teacher_features: length of the teacher's features.

    Returns:
        Module of the student's features [batch, any], the teacher's [batch, teacher_features] and the rows of the images,
        int [batch], to float32 [batch] in nats.
    """
    contrast = spec.contrast
    if contrast["loss"] == "cd":
        return Relations(contrast["temperature"])
    torch.manual_seed(spec.order_seed)
    options = {name: contrast[name] for name in ("features", "negatives", "temperature", "momentum")}
    return MemoryContrast(student_features, teacher_features, np.asarray(labels), **options)


def cosine_rows(features, temperature):
    """Log-softmax over each row of the cosines between the images of a batch, [batch, batch]."""
    unit = functional.normalize(features, dim=1)
    return (unit @ unit.T / temperature).log_softmax(dim=1)


class Relations(nn.Module):
    """CD: how alike the images of a batch are to the student imitates how alike they are to the teacher."""

    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, student, teacher, rows):
        """KL of the teacher's row of similarities to the student's, [batch]."""
        own, known = cosine_rows(student, self.temperature), cosine_rows(teacher, self.temperature)
        return functional.kl_div(own, known, reduction="none", log_target=True).sum(dim=1)


class MemoryContrast(nn.Module):
    """CRD (Tian et al. 2020): both embeddings of an image agree with each other more than with those of other classes.

    Noise-contrastive estimation against embeddings that are remembered from earlier steps.
    """

    def __init__(self, student, teacher, labels, features, negatives, temperature, momentum):
        """Begin with random memories.

        Args:
            student: length of the student's features.
            teacher: length of the teacher's features.
            labels: int [transfer images].
            features: length of the embeddings.
            negatives: remembered embeddings of other images, which an image is contrasted with.
            temperature: of the similarities.
            momentum: share that a memory keeps of itself.
        """
        super().__init__()
        self.negatives, self.temperature, self.momentum = negatives, temperature, momentum
        self.embed = nn.ModuleDict({"student": nn.Linear(student, features), "teacher": nn.Linear(teacher, features)})
        reach = 1 / math.sqrt(features / 3)
        for name in self.embed:
            self.register_buffer(f"memory_of_{name}", torch.empty(len(labels), features).uniform_(-reach, reach))
            self.register_buffer(f"norm_of_{name}", torch.zeros(()))  # 0 until the first batch has been seen
        order = np.argsort(labels, kind="stable")
        sizes = np.bincount(labels)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        for name, values in (("by_class", order), ("first", first[labels]), ("size", sizes[labels])):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)), persistent=False)

    def forward(self, student, teacher, rows):
        """The sum of both directions' estimates, [batch]."""
        own = functional.normalize(self.embed["student"](student), dim=1)
        known = functional.normalize(self.embed["teacher"](teacher), dim=1)
        others = torch.cat([rows[:, None], self._of_other_classes(rows)], dim=1)  # [batch, 1 + negatives]
        loss = self._estimate("student", known, others) + self._estimate("teacher", own, others)
        self._remember("student", own, rows)
        self._remember("teacher", known, rows)
        return loss

    def _of_other_classes(self, rows):
        """Images of other classes, drawn with replacement, int [batch, negatives]."""
        images, size = len(self.by_class), self.size[rows][:, None]
        drawn = torch.rand(len(rows), self.negatives).to(rows.device)
        place = (drawn * (images - size)).long()
        return self.by_class[torch.where(place < self.first[rows][:, None], place, place + size)]

    def _estimate(self, memory, embedded, others):
        remembered = getattr(self, f"memory_of_{memory}")[others]  # [batch, 1 + negatives, features]
        alike = torch.exp(torch.einsum("bkf,bf->bk", remembered, embedded) / self.temperature)
        norm, images = getattr(self, f"norm_of_{memory}"), len(self.by_class)
        if norm == 0:
            norm.copy_(alike.detach().mean() * images)
        alike = alike / norm
        noise = self.negatives / images
        right = torch.log(alike[:, 0] / (alike[:, 0] + noise))
        wrong = torch.log(noise / (alike[:, 1:] + noise)).sum(dim=1)
        return -(right + wrong)

    @torch.no_grad()
    def _remember(self, memory, embedded, rows):
        bank = getattr(self, f"memory_of_{memory}")
        bank[rows] = functional.normalize(self.momentum * bank[rows] + (1 - self.momentum) * embedded, dim=1)
