"""Objectives: values worked out by hand, gradients, and what mixes into what."""

import numpy as np
import pytest
import torch
from conftest import SCHEMA

from transfer_atlas.study.methods import LEARNING_TEACHER, has_teacher
from transfer_atlas.transfer.calibration import fit_temperature
from transfer_atlas.transfer.losses import (
    COMPARING,
    TARGETS,
    choose_target,
    imitation,
    log_odds,
    mutual_losses,
    shuffled_rows,
    transfer_losses,
)

LOG = np.log
# softmax of these rows: teacher (.5 .25 .25), (.25 .5 .25), (.2 .2 .6); student (.25 .5 .25), (.5 .25 .25), (.2 .2 .6)
TEACHER = torch.tensor([[LOG(2), 0, 0], [0, LOG(2), 0], [0, 0, LOG(3)]])
STUDENT = torch.tensor([[0, LOG(2), 0], [LOG(2), 0, 0], [0, 0, LOG(3)]])
LABELS = torch.tensor([0, 0, 2])


def test_distillation_by_hand():
    # KL((.5 .25 .25) || (.25 .5 .25)) = .5 ln 2 + .25 ln .5 = .25 ln 2
    expected = torch.tensor([0.25 * LOG(2), 0.25 * LOG(2), 0])
    torch.testing.assert_close(imitation(STUDENT, TEACHER, 1.0), expected.double())


def test_temperature_scales_logits_and_loss():
    torch.testing.assert_close(imitation(2 * STUDENT, 2 * TEACHER, 2.0), 4 * imitation(STUDENT, TEACHER, 1.0))


def logit(probability):
    return LOG(probability / (1 - probability))


def test_log_odds_by_hand():
    label, largest = (log_odds(TEACHER, kind, LABELS) for kind in ("label", "max"))
    torch.testing.assert_close(label, torch.tensor([logit(0.5), logit(0.25), logit(0.6)]).double())
    torch.testing.assert_close(largest, torch.tensor([logit(0.5), logit(0.5), logit(0.6)]).double())


@pytest.mark.parametrize("kind", ["label", "max"])
@pytest.mark.parametrize(("surer", "less"), [(25.0, 18.0), (40.0, 30.0)])
def test_confidences_that_round_to_1_still_differ(kind, surer, less):
    teacher, student = (torch.tensor([[value, 0.0, 0.0]]) for value in (surer, less))
    labels = torch.tensor([0])
    assert choose_target("most_confident", kind, student, teacher, labels)[1].tolist() == [True]
    assert choose_target("most_confident", kind, teacher, student, labels)[1].tolist() == [False]
    assert choose_target("most_confident", kind, teacher, teacher.clone(), labels)[1].tolist() == [False]


def test_the_schema_knows_which_targets_there_are_and_what_they_need():
    methods = SCHEMA["properties"]["transfer"]["properties"]["methods"]["additionalProperties"]["properties"]
    assert set(methods["target"]["enum"]) == {*TARGETS, LEARNING_TEACHER}
    for target in TARGETS:
        if has_teacher({"target": target}):
            with pytest.raises((TypeError, AttributeError)):
                choose_target(target, "label", STUDENT, None, LABELS)
        else:
            choose_target(target, "label", STUDENT, None, LABELS)
    with pytest.raises(KeyError):
        choose_target("tutor", "label", STUDENT, TEACHER, LABELS)


def test_imitation_among_the_targets_first_classes_by_hand():
    # the two first classes of (.5 .25 .25)-like logits 3, 2, 1 against 0, 0, 5: softmax(3, 2) against (.5, .5)
    target, student = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0.0, 0.0, 5.0]])
    first = 1 / (1 + np.exp(-1))
    expected = first * LOG(first / 0.5) + (1 - first) * LOG((1 - first) / 0.5)
    assert imitation(student, target, 1.0, top_k=2).item() == pytest.approx(expected, abs=1e-6)
    moved = student.double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: imitation(x, target.double(), 1.0, top_k=2), (moved,))
    torch.testing.assert_close(imitation(student, target, 1.0, top_k=3), imitation(student, target, 1.0))


def test_label_smoothing_by_hand():
    # 0.9 of the label's -ln p and 0.1 of the mean over classes
    log_p = torch.log_softmax(STUDENT, dim=1)
    expected = -0.9 * log_p.gather(1, LABELS[:, None]).squeeze(1) - 0.1 * log_p.mean(dim=1)
    torch.testing.assert_close(transfer_losses(STUDENT, None, LABELS, 1.0, 1.0, label_smoothing=0.1), expected)


def test_supervised_partition_takes_the_teacher_where_it_knows_the_label_better():
    target, from_teacher = choose_target("most_confident", "label", STUDENT, TEACHER, LABELS)
    assert from_teacher.tolist() == [True, False, False]  # a tie goes to the student
    torch.testing.assert_close(target, torch.stack([TEACHER[0], STUDENT[1], STUDENT[2]]))


def test_flips_take_the_teacher_where_it_alone_is_right():
    # image 0: teacher right, student wrong; image 1: teacher wrong; image 2: both right
    target, from_teacher = choose_target("flips", None, STUDENT, TEACHER, LABELS)
    assert from_teacher.tolist() == [True, False, False]
    torch.testing.assert_close(target, torch.stack([TEACHER[0], STUDENT[1], STUDENT[2]]))


def test_unsupervised_partition_looks_at_no_label():
    sure = 2 * TEACHER
    first = choose_target("most_confident", "max", STUDENT, sure, LABELS)
    second = choose_target("most_confident", "max", STUDENT, sure, 1 - LABELS.clamp(max=1))
    assert first[1].tolist() == [True, True, True]
    assert torch.equal(first[0], second[0])


def test_a_partition_that_always_picks_the_student_equals_self():
    weak = torch.zeros_like(STUDENT)
    chosen, _ = choose_target("most_confident", "max", STUDENT, weak, LABELS)
    itself, _ = choose_target("student", None, STUDENT, None, LABELS)
    assert torch.equal(chosen, itself)


def softmax(target):
    return target.softmax(dim=1).numpy()


def test_the_student_keeps_what_it_alone_gets_right():
    # image 0: the teacher alone is right; 1: the student alone; 2: both
    target, from_teacher = choose_target("keep_flips", None, STUDENT, TEACHER, LABELS)
    assert from_teacher.tolist() == [True, False, True]
    torch.testing.assert_close(target, torch.stack([TEACHER[0], STUDENT[1], TEACHER[2]]))


def test_whoever_alone_is_right_and_the_mean_of_both_where_they_are_alike():
    labels = torch.tensor([0, 0, 2])
    teacher = torch.stack([TEACHER[0], TEACHER[1], torch.tensor([0, 0, LOG(8)])])  # softmax of the last: .1 .1 .8
    target, from_teacher = choose_target("right", None, STUDENT, teacher, labels)
    assert from_teacher.tolist() == [1.0, 0.0, 0.5]
    np.testing.assert_allclose(softmax(target), [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.15, 0.15, 0.7]], atol=1e-6)


def test_a_mixture_by_the_confidence_gap_by_hand():
    # log-odds of the label: teacher ln 1, ln 1/3, ln 1.5; student ln 1/3, ln 1, ln 1.5, so weights 3/4, 1/4, 1/2
    target, from_teacher = choose_target("confidence_gap", "label", STUDENT, TEACHER, LABELS)
    np.testing.assert_allclose(from_teacher, [0.75, 0.25, 0.5], atol=1e-6)
    np.testing.assert_allclose(softmax(target)[0], [0.4375, 0.3125, 0.25], atol=1e-6)
    np.testing.assert_allclose(softmax(target)[2], [0.2, 0.2, 0.6], atol=1e-6)


def test_calibrated_confidences_are_compared_at_the_temperatures_given():
    # image 0: log-odds of the label ln 1 (teacher) and ln 1/3 (student); dividing logits by 0.01 makes the student's far lower
    _, raw = choose_target("most_confident", "max", STUDENT, 2 * TEACHER, LABELS)
    _, scaled = choose_target("most_confident", "max", STUDENT, 2 * TEACHER, LABELS, temperatures=(0.25, 2.0))
    assert raw.tolist() == [True, True, True]
    assert scaled.tolist() == [False, False, False]
    target, _ = choose_target("most_confident", "max", STUDENT, 2 * TEACHER, LABELS, temperatures=(2.0, 0.25))
    assert torch.equal(target, 2 * TEACHER)  # the target itself is not scaled


def test_the_fitted_temperature_is_the_one_that_the_labels_were_drawn_with():
    logits = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)) * 2
    labels = torch.multinomial((logits / 2.5).softmax(dim=1), 1, generator=torch.Generator().manual_seed(1)).squeeze(1)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(2 * logits, labels) == pytest.approx(5.0, rel=0.05)


def test_a_random_teacher_gives_each_image_the_answer_to_another():
    rows = shuffled_rows(20)
    assert sorted(rows) == list(range(20))
    assert (rows != np.arange(20)).sum() > 15
    student = torch.arange(40.0).reshape(20, 2)
    target, from_teacher = choose_target("shuffled", None, student[rows], None, None)
    assert torch.equal(target, student[rows])
    assert not from_teacher.any()


def test_label_weight_mixes_imitation_and_labels():
    cross_entropy = torch.tensor([-LOG(0.25), -LOG(0.5), -LOG(0.6)]).double()
    mixed = transfer_losses(STUDENT, TEACHER, LABELS, label_weight=0.3, temperature=1.0)
    torch.testing.assert_close(mixed, 0.7 * imitation(STUDENT, TEACHER, 1.0) + 0.3 * cross_entropy)
    for target in (None, TEACHER):
        torch.testing.assert_close(
            transfer_losses(STUDENT, target, LABELS, label_weight=1.0, temperature=1.0), cross_entropy
        )


# three samples of four classes: softmax of the student (.4 .2 .2 .2), (.1 .7 .1 .1), (.25 .25 .25 .25),
# of the teacher (.1 .1 .1 .7), (.4 .2 .2 .2), (.2 .2 .4 .2)
FOUR_STUDENT = torch.tensor([[LOG(2), 0, 0, 0], [0, LOG(7), 0, 0], [0.0, 0, 0, 0]])
FOUR_TEACHER = torch.tensor([[0, 0, 0, LOG(7)], [LOG(2), 0, 0, 0], [0, 0, LOG(2), 0]])
FOUR_LABELS = torch.tensor([0, 1, 2])
IMITATED = [
    0.1 * LOG(0.1 / 0.4) + 0.2 * LOG(0.1 / 0.2) + 0.7 * LOG(0.7 / 0.2),
    0.4 * LOG(0.4 / 0.1) + 0.2 * LOG(0.2 / 0.7) + 0.4 * LOG(0.2 / 0.1),
    0.6 * LOG(0.2 / 0.25) + 0.4 * LOG(0.4 / 0.25),
]
LABELLED = [-LOG(0.4), -LOG(0.7), -LOG(0.25)]
GOLDEN = {
    "kl": ({}, IMITATED),
    "labels": ({"label_weight": 1.0}, LABELLED),
    "xe_kl": ({"label_weight": 0.5}, [0.5 * a + 0.5 * b for a, b in zip(IMITATED, LABELLED, strict=True)]),
    # the student alone is right on images 0 and 1
    "spare_right": ({"spare_right": True}, [0, 0, IMITATED[2]]),
    # -ln of the softmax of the probabilities themselves
    "double_softmax": (
        {"label_weight": 1.0, "double_softmax": True},
        [
            LOG(np.exp(0.4) + 3 * np.exp(0.2)) - 0.4,
            LOG(np.exp(0.7) + 3 * np.exp(0.1)) - 0.7,
            LOG(4 * np.exp(0.25)) - 0.25,
        ],
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values_of_three_samples_and_four_classes(name):
    options, expected = GOLDEN[name]
    found = transfer_losses(
        FOUR_STUDENT, FOUR_TEACHER, FOUR_LABELS, **({"label_weight": 0.0, "temperature": 1.0} | options)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradients(name, temperature):
    student = FOUR_STUDENT.double().clone().requires_grad_(True)
    options = {"label_weight": 0.0, "temperature": temperature} | GOLDEN[name][0]
    assert torch.autograd.gradcheck(
        lambda x: transfer_losses(x, FOUR_TEACHER.double(), FOUR_LABELS, **options), (student,)
    )


@pytest.mark.parametrize("target", sorted({*TARGETS} - {"shuffled"}))
def test_every_target_has_a_gradient_towards_it(target):
    confidence = "label" if target in COMPARING else None
    chosen, _ = choose_target(target, confidence, FOUR_STUDENT, FOUR_TEACHER, FOUR_LABELS)
    student = FOUR_STUDENT.double().clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: imitation(x, chosen.double(), 1.0), (student,))
    imitation(student, chosen.double(), 1.0).sum().backward()
    expected = student.detach().softmax(dim=1) - chosen.double().softmax(dim=1)
    torch.testing.assert_close(student.grad, expected)


def test_a_student_that_agrees_with_its_target_has_no_gradient():
    student = STUDENT.clone().requires_grad_(True)
    transfer_losses(student, STUDENT, LABELS, label_weight=0.0, temperature=1.0).sum().backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


def test_of_two_that_teach_each_other_the_surer_teaches_by_hand():
    """Softmax of the label: student .4 .7 .25, teacher .1 .2 .4, so the student teaches images 0 and 1."""
    found, from_teacher = mutual_losses(FOUR_STUDENT, FOUR_TEACHER, FOUR_LABELS, 0.0, 1.0)
    assert from_teacher.tolist() == [False, False, True]
    by_student = [
        0.4 * LOG(0.4 / 0.1) + 0.4 * LOG(0.2 / 0.1) + 0.2 * LOG(0.2 / 0.7),
        0.1 * LOG(0.1 / 0.4) + 0.7 * LOG(0.7 / 0.2) + 0.2 * LOG(0.1 / 0.2),
    ]
    np.testing.assert_allclose(found, [*by_student, IMITATED[2]], atol=1e-6)
    labelled, _ = mutual_losses(FOUR_STUDENT, FOUR_TEACHER, FOUR_LABELS, 1.0, 1.0)
    np.testing.assert_allclose(labelled, np.array(LABELLED) - np.log([0.1, 0.2, 0.4]), atol=1e-6)
    both = (FOUR_STUDENT.double().requires_grad_(True), FOUR_TEACHER.double().requires_grad_(True))
    assert torch.autograd.gradcheck(lambda a, b: mutual_losses(a, b, FOUR_LABELS, 0.5, 2.0)[0], both)
    assert mutual_losses(FOUR_STUDENT, FOUR_STUDENT, FOUR_LABELS, 0.0, 1.0)[1].all()  # where equal, the teacher
