"""Objectives: values worked out by hand, gradients, and what mixes into what."""

import numpy as np
import pytest
import torch

from transfer_atlas.objectives import choose_target, confidence_of, distillation, objective

LOG = np.log
# softmax of these rows: teacher (.5 .25 .25), (.25 .5 .25), (.2 .2 .6); student (.25 .5 .25), (.5 .25 .25), (.2 .2 .6)
TEACHER = torch.tensor([[LOG(2), 0, 0], [0, LOG(2), 0], [0, 0, LOG(3)]])
STUDENT = torch.tensor([[0, LOG(2), 0], [LOG(2), 0, 0], [0, 0, LOG(3)]])
LABELS = torch.tensor([0, 0, 2])


def test_distillation_by_hand():
    # KL((.5 .25 .25) || (.25 .5 .25)) = .5 ln 2 + .25 ln .5 = .25 ln 2
    expected = torch.tensor([0.25 * LOG(2), 0.25 * LOG(2), 0])
    torch.testing.assert_close(distillation(STUDENT, TEACHER, 1.0), expected.double())


def test_temperature_scales_logits_and_loss():
    torch.testing.assert_close(distillation(2 * STUDENT, 2 * TEACHER, 2.0), 4 * distillation(STUDENT, TEACHER, 1.0))


def test_confidences_by_hand():
    torch.testing.assert_close(confidence_of(TEACHER, "label", LABELS), torch.tensor([0.5, 0.25, 0.6]).double())
    torch.testing.assert_close(confidence_of(TEACHER, "max", LABELS), torch.tensor([0.5, 0.5, 0.6]).double())


def test_supervised_partition_takes_the_teacher_where_it_knows_the_label_better():
    target, from_teacher = choose_target("most_confident", "label", TEACHER, STUDENT, LABELS)
    assert from_teacher.tolist() == [True, False, False]  # a tie goes to the student
    torch.testing.assert_close(target, torch.stack([TEACHER[0], STUDENT[1], STUDENT[2]]))


def test_unsupervised_partition_looks_at_no_label():
    sure = 2 * TEACHER
    first = choose_target("most_confident", "max", sure, STUDENT, LABELS)
    second = choose_target("most_confident", "max", sure, STUDENT, 1 - LABELS.clamp(max=1))
    assert first[1].tolist() == [True, True, True]
    assert torch.equal(first[0], second[0])


def test_a_partition_that_always_picks_the_student_equals_self():
    weak = torch.zeros_like(STUDENT)
    chosen, _ = choose_target("most_confident", "max", weak, STUDENT, LABELS)
    itself, _ = choose_target("student", None, None, STUDENT, LABELS)
    assert torch.equal(chosen, itself)


def test_label_weight_mixes_imitation_and_labels():
    cross_entropy = torch.tensor([-LOG(0.25), -LOG(0.5), -LOG(0.6)]).double()
    mixed = objective(STUDENT, TEACHER, LABELS, label_weight=0.3, temperature=1.0)
    torch.testing.assert_close(mixed, 0.7 * distillation(STUDENT, TEACHER, 1.0) + 0.3 * cross_entropy)
    for target in (None, TEACHER):
        torch.testing.assert_close(objective(STUDENT, target, LABELS, label_weight=1.0, temperature=1.0), cross_entropy)


@pytest.mark.parametrize("label_weight", [0.0, 0.4])
def test_gradients(label_weight):
    student = STUDENT.double().clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: objective(x, TEACHER.double(), LABELS, label_weight, 2.0), (student,))


def test_a_student_that_agrees_with_its_target_has_no_gradient():
    student = STUDENT.clone().requires_grad_(True)
    objective(student, STUDENT, LABELS, label_weight=0.0, temperature=1.0).sum().backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student))
