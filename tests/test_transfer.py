"""The transfer engine on real small networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import write_teacher
from safetensors.torch import load_file

from transfer_atlas.images.views import Views
from transfer_atlas.store.tables import read_table, write_excluded, write_table
from transfer_atlas.transfer.block import run_block
from transfer_atlas.transfer.lessons import Imitation
from transfer_atlas.transfer.loop import set_mode, train_epochs
from transfer_atlas.transfer.measures import describe_collapse, measure_transfer, top_classes
from transfer_atlas.transfer.spec import TransferSpec, learning_rate
from transfer_atlas.transfer.student import Teacher
from transfer_atlas.transfer.subsets import images_of, nested_subset
from transfer_atlas.transfer.weights import BestEpoch, SlowWeights, perturb_weights
from transfer_atlas.zoo.build import build_model
from transfer_atlas.zoo.weights import exclusion_of_weights

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 10, 60)
SPEC = TransferSpec(
    method="kl",
    student="s.t",
    teacher="t.t",
    seed=0,
    epochs=3,
    batch_size=16,
    lr=0.05,
    momentum=0.9,
    weight_decay=0.0,
    batch_norm="frozen",
    target="teacher",
)


def seeded(row, seed):
    return build_model(row, 10, 32, seed=seed)


@pytest.fixture
def student(vit_row, student_files):
    return student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS)


@pytest.fixture
def run(tmp_path):
    """Make one transfer and return its row as a dict; NaN for null."""

    def make(spec, student, teacher_logits=None):
        path = tmp_path / f"results/transfers/{spec.method}/{spec.student}/{spec.teacher or 'none'}/{spec.seed}.parquet"
        path.unlink(missing_ok=True)
        teachers = {} if teacher_logits is None else {spec.teacher: write_teacher(tmp_path, teacher_logits, LABELS)}
        run_block([spec], [path], student, teachers, 10, "code")
        return read_table(path).to_dict("records")[0]

    return make


# a teacher that knows all labels
KNOWING = 10 * np.eye(10)[LABELS][None]


def test_a_student_learns_from_a_teacher_that_knows(student, run):
    row = run(replace(SPEC, epochs=30), student, KNOWING)
    assert row["epoch_objective"][-1] < row["epoch_objective"][0] / 2
    assert row["delta"] > 0.3
    assert row["delta"] == pytest.approx(row["gain"] - row["loss"])
    assert row["accuracy_after"] - row["accuracy_before"] == pytest.approx(row["delta"])
    assert list(row["epoch_teacher_share"]) == [1.0] * 30


def test_a_student_taught_by_itself_stays_put(student, run):
    row = run(replace(SPEC, method="self", teacher=None, target="student", lr=0.001), student)
    assert (row["gain"], row["loss"], row["delta"]) == (0, 0, 0)
    assert max(row["epoch_objective"]) < 1e-5
    assert np.isnan(row["transfer_rate"])


def test_a_teacher_that_is_the_student_changes_no_prediction(student, run):
    itself = np.array(student.logits)
    row = run(replace(SPEC, lr=0.001), student, itself)
    assert (row["gain"], row["loss"]) == (0, 0)


def test_a_teacher_that_knows_nothing_hurts(student, run, vit_row, student_files, tmp_path):
    path = tmp_path / "results/transfers/kl/s.t/t.t/0.parquet"
    teachers = {"t.t": write_teacher(tmp_path, KNOWING, LABELS)}
    run_block([replace(SPEC, epochs=40)], [path], student, teachers, 10, "code", keep={path: "last"})
    knowing = student.build()
    knowing.load_state_dict(load_file(path.with_suffix(".safetensors")))
    student = student_files(vit_row, lambda: knowing, PIXELS, LABELS)
    row = run(replace(SPEC, method="random", teacher=None, target="shuffled", epochs=20), student)
    assert row["accuracy_before"] > 0.5
    assert row["delta"] < -0.2


def test_the_same_spec_gives_the_same_bits(student, run):
    rows = [run(SPEC, student, KNOWING) for _ in range(2)]
    assert str(rows[0]) == str(rows[1])
    other = run(replace(SPEC, seed=1), student, KNOWING)
    assert list(other["epoch_objective"]) != list(rows[0]["epoch_objective"])


def test_repetitions_differ_by_their_weights_alone(student, run):
    """With perturb_weights the seed draws the perturbation; the order of images is that of seed 0."""
    exact = run(replace(SPEC, lr=0.001), student, KNOWING)
    tiny = [run(replace(SPEC, lr=0.001, perturb_weights=1e-30, seed=seed), student, KNOWING) for seed in (0, 5)]
    assert [row["right_after"] for row in tiny] == [exact["right_after"]] * 2
    assert [row["epoch_objective"].tolist() for row in tiny] == [exact["epoch_objective"].tolist()] * 2
    rows = [run(replace(SPEC, lr=0.001, perturb_weights=0.01, seed=seed), student, KNOWING) for seed in (0, 1, 1)]
    assert rows[0]["weight_perturbation"] == 0.01
    losses = [row["epoch_objective"].tolist() for row in rows]
    assert losses[0] != losses[1] == losses[2]
    other_order = run(replace(SPEC, lr=0.001, seed=5), student, KNOWING)
    assert other_order["epoch_objective"].tolist() != exact["epoch_objective"].tolist()


def test_each_weight_is_perturbed_by_its_share(vit_row):
    network = build_model(vit_row, 10, 32, None)
    before = {name: value.clone() for name, value in network.named_parameters()}
    perturb_weights(network, 1e-3, 0)
    changes = torch.cat(
        [
            (value / before[name] - 1).flatten()[before[name].flatten() != 0]
            for name, value in network.named_parameters()
        ]
    )
    assert changes.std().item() == pytest.approx(1e-3, rel=0.02)
    assert abs(changes.mean().item()) < 1e-4


def test_label_weight_one_equals_labels_whatever_the_target(student, run):
    labels = run(replace(SPEC, method="labels", teacher=None, target=None, label_weight=1.0), student)
    mixed = run(replace(SPEC, label_weight=1.0), student, KNOWING)
    assert labels["epoch_objective"] == pytest.approx(mixed["epoch_objective"], rel=1e-6)


def test_epochs_go_round_the_views(vit_row, student_files, run):
    transforms = [{"name": "ColorJitter", "brightness": [5, 5]}]
    twice = student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, views=2, transforms=transforms)
    objectives = run(replace(SPEC, lr=1e-9, epochs=4), twice, KNOWING.repeat(2, axis=0))["epoch_objective"]
    assert objectives[0] == pytest.approx(objectives[2], rel=1e-4)
    assert objectives[1] == pytest.approx(objectives[3], rel=1e-4)
    assert objectives[0] != pytest.approx(objectives[1], rel=1e-3)


def test_slow_weights_follow_by_their_tau(student):
    def weights(**slow):
        model = student.build()
        spec = replace(SPEC, slow_weights=slow or None)
        own = student.logits
        views = Views(PIXELS, [], 1, [], 0)
        lesson = Imitation(spec, model, views, LABELS, own, KNOWING.astype(np.float16))
        train_epochs(spec, lesson, LABELS, "cpu")
        return model.state_dict()

    before, fast = student.build().state_dict(), weights()
    kept, followed = weights(tau=1.0, every_images=1), weights(tau=0.0, every_images=1)
    assert all(torch.equal(kept[name], before[name]) for name in before)
    assert all(torch.equal(followed[name], fast[name]) for name in fast)


def test_a_student_that_is_reset_goes_on_from_its_average(student, run):
    """One that keeps its average unchanged is put back to where it began after each epoch."""
    slow = {"tau": 1.0, "every_images": 1}
    free, held = (run(replace(SPEC, slow_weights=slow | {"reset": reset}), student, KNOWING) for reset in (False, True))
    assert free["epoch_objective"][0] == held["epoch_objective"][0]
    assert free["epoch_objective"][2] < held["epoch_objective"][2]
    assert free["delta"] == held["delta"] == 0


def test_slow_weights_average_buffers_and_copy_integers(resnet_row):
    model = seeded(resnet_row, 1)
    slow = SlowWeights(model, tau=0.75, every_images=10)
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(4 if value.is_floating_point() else 3)
    start = seeded(resnet_row, 1).state_dict()
    slow.follow(model, 9)
    assert all(torch.equal(slow.state[name], start[name]) for name in start)
    slow.follow(model, 12)  # images 10 and 20 are passed: 1 - 0.75^2 of the way
    for name, value in start.items():
        moved = 4 * (1 - 0.75**2) if value.is_floating_point() else 3
        torch.testing.assert_close(slow.state[name], value + moved if value.is_floating_point() else value + 3)


def test_learning_rates_by_hand():
    spec = replace(SPEC, lr=0.8, epochs=5, schedule="cosine", warmup_epochs=1)
    rates = [learning_rate(spec, epochs) for epochs in (0, 0.5, 1, 3, 5)]
    assert rates == pytest.approx([0, 0.4, 0.8, 0.4, 0])
    assert learning_rate(replace(SPEC, lr=0.3), 2.7) == 0.3


def test_a_transfer_that_diverges_is_a_row_with_its_reason(student, run):
    row = run(replace(SPEC, lr=1e12), student, KNOWING)
    assert row["remark"].startswith("diverged: the loss is not finite in epoch ")
    assert np.isnan(row["delta"])
    assert row["images"] == 60


def test_an_excluded_teacher_is_a_row_with_its_reason(student, tmp_path):
    write_excluded("predictions", tmp_path / "t.parquet", "logits are not finite", {"device": "cpu"})
    np.save(tmp_path / "t.npy", np.empty((0, 0, 0), np.float16))
    path = tmp_path / "results/transfers/kl/s.t/t.t/0.parquet"
    run_block([SPEC], [path], student, {"t.t": Teacher(tmp_path / "t.npy", tmp_path / "t.parquet")}, 10, "code")
    assert read_table(path)["remark"][0] == "the teacher t.t is excluded: logits are not finite"


def test_before_is_measured_again_where_the_answers_come_from_another_device(vit_row, student_files, tmp_path):
    student = student_files(vit_row, lambda: seeded(vit_row, 1), PIXELS, LABELS, device="cuda:0")
    table = read_table(student.predictions)
    write_table(table.assign(correct=~table["correct"]), "predictions", student.predictions, {"device": "cuda:0"})
    assert (student.correct == table["correct"]).all()


def test_a_new_teacher_costs_its_own_transfer_only(student, tmp_path, capsys):
    """The others of its job stand, to the byte; another recipe makes them anew."""

    def make(teachers, **change):
        specs = [replace(SPEC, teacher=name, **change) for name in teachers]
        paths = [tmp_path / f"results/transfers/kl/s.t/{name}/0.parquet" for name in teachers]
        run_block(specs, paths, student, {name: answers[name] for name in teachers}, 10, "code")
        return capsys.readouterr().out.count("T^2 KL"), [path.read_bytes() for path in paths]

    answers = {name: write_teacher(tmp_path, KNOWING, LABELS, name) for name in ("a.t", "b.t", "c.t")}
    count, first = make(["a.t", "b.t"])
    assert count == 2
    count, second = make(["a.t", "c.t", "b.t"])
    assert count == 1
    assert second[::2] == first
    assert make(["a.t", "b.t"], lr=0.01)[0] == 2


@pytest.mark.parametrize(("batch_norm", "moves"), [("frozen", False), ("train", True)])
def test_batch_norm_statistics_move_only_on_request(resnet_row, batch_norm, moves):
    model = set_mode(seeded(resnet_row, 1), batch_norm)
    assert model.training
    statistics = dict(model.named_buffers())["bn1.running_mean"].clone()
    model(torch.randn(8, 3, 32, 32))
    assert torch.equal(statistics, model.bn1.running_mean) != moves


def test_measures_by_hand():
    before = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 1], bool)
    after_ = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1], bool)
    knows_ = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 0], bool)
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 0, 0])
    row = measure_transfer(before, after_, knows_, labels)
    assert row["gain"] == pytest.approx(0.3)
    assert row["loss"] == pytest.approx(0.1)
    assert row["delta"] == pytest.approx(0.2)
    assert row["positive_flips"] == pytest.approx(0.4)
    assert row["transferred_flips"] == pytest.approx(0.2)
    assert row["transfer_rate"] == pytest.approx(0.5)
    assert row["delta_standard_error"] == pytest.approx(np.sqrt((0.4 - 0.04) / 10))
    # the four flips are images 2 to 5: three of class 1, one of class 2; images 2 and 3 arrive, and 6 on its own
    assert row["top50_transfer_rate"] == pytest.approx(2 / 3)
    assert row["top50_gain_share"] == pytest.approx(2 / 3)
    assert row["positive_flips_after"] == pytest.approx(0.3)


def test_top_classes_by_hand():
    labels = np.repeat([3, 1, 2, 0], [5, 3, 3, 1])
    assert top_classes(labels, 41).tolist() == [3]
    assert top_classes(labels, 42).tolist() == [3, 1]
    assert top_classes(labels, 100).tolist() == [3, 1, 2, 0]
    assert top_classes(np.array([], int), 50).tolist() == []


def test_the_log_names_the_formula():
    spec = replace(SPEC, method="mix", target="most_confident", confidence="label", label_weight=0.25)
    assert str(spec) == (
        "mix t.t -> s.t, seed 0: 0.75 T^2 KL(most_confident(label) || student), T = 1 + 0.25 cross-entropy(labels)"
    )


def test_a_student_that_ends_at_chance_gets_a_remark():
    assert describe_collapse(0.7, 0.11, classes=10, images=1000) == "ended at chance: accuracy 0.1100 after 0.7000"
    assert describe_collapse(0.7, 0.2, classes=10, images=1000) is None
    assert describe_collapse(0.1, 0.1, classes=10, images=1000) is None


def test_shares_of_the_images_are_nested_and_stratified():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    small, large = nested_subset(labels, 0.1), nested_subset(labels, 0.5)
    assert set(small) < set(large)
    assert np.bincount(labels[small]).tolist() == [6, 3, 1]
    assert np.bincount(labels[large]).tolist() == [30, 15, 5]
    assert nested_subset(labels, 1.0).tolist() == list(range(100))


def test_a_share_of_the_images_learns_from_these_alone(student, run):
    """A teacher that is wrong on all other images teaches the same."""
    kept = nested_subset(LABELS, 0.5)
    wrong = 10 * np.eye(10)[(LABELS + 1) % 10][None]
    wrong[0, kept] = KNOWING[0, kept]
    rows = [run(replace(SPEC, image_share=0.5), student, logits) for logits in (KNOWING, wrong)]
    for column in ("epoch_objective", "accuracy_after"):
        assert list(np.atleast_1d(rows[0][column])) == list(np.atleast_1d(rows[1][column]))


@pytest.mark.parametrize("slow", [None, {"tau": 0.5, "every_images": 16}])
def test_evaluated_epochs_end_with_the_transfer_and_change_nothing(student, run, slow):
    quiet, told = (
        run(replace(SPEC, evaluate_epochs=told, slow_weights=slow), student, KNOWING) for told in (False, True)
    )
    assert quiet["epoch_gain"] is None
    assert len(told["epoch_gain"]) == len(told["epoch_loss"]) == 3
    assert told["epoch_gain"][-1] == told["gain"] == quiet["gain"]
    assert list(told["epoch_objective"]) == list(quiet["epoch_objective"])
    shorter = run(replace(SPEC, epochs=2, slow_weights=slow), student, KNOWING)
    assert (shorter["gain"], shorter["loss"]) == (told["epoch_gain"][1], told["epoch_loss"][1])


def test_a_transfer_of_a_sweep_keeps_its_checkpoint_with_the_others(student, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("transfer_atlas.transfer.block.Checkpoint", lambda path, *rest: seen.append(path) or 1 / 0)
    for folder in ("transfers", "sweeps/epochs/3"):
        with pytest.raises(ZeroDivisionError):
            run_block(
                [replace(SPEC, teacher=None)],
                [tmp_path / f"results/{folder}/kl/s.t/none/0.parquet"],
                student,
                {},
                10,
                "code",
            )
    assert [path.relative_to(tmp_path / "results").parts[:2] for path in seen] == [
        ("checkpoints", "transfers"),
        ("checkpoints", "sweeps"),
    ]


def test_kept_weights_are_those_that_were_measured(student, tmp_path):
    paths = [tmp_path / f"results/transfers/kl/s.t/t.t/{seed}.parquet" for seed in (0, 1)]
    specs = [replace(SPEC, seed=seed) for seed in (0, 1)]
    teachers = {"t.t": write_teacher(tmp_path, KNOWING, LABELS)}
    run_block(specs, paths, student, teachers, 10, "code", keep={paths[0]: "last"})
    kept, other = (path.with_suffix(".safetensors") for path in paths)
    assert not other.exists()
    model = student.build()
    model.load_state_dict(load_file(kept))
    assert np.packbits(student.evaluate(model)).tobytes() == read_table(paths[0])["right_after"][0]
    # one that is wanted later is trained again, to the same table; the other stands
    before = [read_table(path) for path in paths]
    kept.unlink()
    run_block(specs, paths, student, teachers, 10, "code", keep={paths[0]: "last"})
    assert kept.exists()
    assert [str(read_table(path)) for path in paths] == list(map(str, before))


def test_the_weights_of_the_best_epoch_are_kept_on_request(student, tmp_path):
    path, spec = tmp_path / "results/transfers/kl/s.t/t.t/0.parquet", replace(SPEC, select_share=0.3, epochs=8)
    teachers, weights = {"t.t": write_teacher(tmp_path, KNOWING, LABELS)}, path.with_suffix(".safetensors")
    for keep, gain in (("last", "gain"), ("best", "best_gain")):
        run_block([spec], [path], student, teachers, 10, "code", keep={path: keep})
        model = student.build()
        model.load_state_dict(load_file(weights))
        assert (~student.correct & student.evaluate(model)).mean() == read_table(path)[gain][0]


def test_of_a_transfer_without_a_result_a_file_without_weights_is_kept(student, tmp_path):
    path = tmp_path / "results/transfers/kl/s.t/t.t/0.parquet"
    teachers = {"t.t": write_teacher(tmp_path, KNOWING, LABELS)}
    run_block([replace(SPEC, lr=1e12)], [path], student, teachers, 10, "code", keep={path: "last"})
    assert exclusion_of_weights(path.with_suffix(".safetensors")).startswith("diverged: ")


def test_the_best_epoch_is_chosen_on_images_that_teach_nothing(student, run, tmp_path):
    """A teacher that is wrong on the images kept apart teaches the same; the best epoch is what a shorter transfer ends with."""
    apart = nested_subset(LABELS, 0.3)
    wrong = KNOWING.copy()
    wrong[0, apart] = 10 * np.eye(10)[(LABELS[apart] + 1) % 10]
    spec = replace(SPEC, select_share=0.3, epochs=6)
    rows = [run(spec, student, logits) for logits in (KNOWING, wrong)]
    for column in ("epoch_objective", "accuracy_after", "best_epoch", "best_gain"):
        assert list(np.atleast_1d(rows[0][column])) == list(np.atleast_1d(rows[1][column]))
    images, kept = images_of(spec, LABELS)
    assert sorted([*images, *kept]) == list(range(60))
    shorter = run(replace(spec, epochs=int(rows[0]["best_epoch"])), student, KNOWING)
    assert (shorter["gain"], shorter["loss"]) == (rows[0]["best_gain"], rows[0]["best_loss"])
    assert np.isnan(run(SPEC, student, KNOWING)["best_gain"])


def test_a_best_epoch_is_the_first_of_equals():
    best, network = BestEpoch(), torch.nn.Linear(1, 1)
    for epoch, accuracy in enumerate([0.2, 0.5, 0.5, 0.1], start=1):
        with torch.no_grad():
            network.weight.fill_(epoch)
        best.update(network, epoch, accuracy)
    assert (best.epoch, best.state["weight"].item()) == (2, 2)


def test_weights_of_another_recipe_do_not_stay_beside_a_new_row(student, tmp_path):
    path = tmp_path / "results/transfers/kl/s.t/t.t/0.parquet"
    teachers, weights = {"t.t": write_teacher(tmp_path, KNOWING, LABELS)}, path.with_suffix(".safetensors")
    run_block([SPEC], [path], student, teachers, 10, "code", keep={path: "last"})
    run_block([SPEC], [path], student, teachers, 10, "code")
    assert weights.exists()
    run_block([replace(SPEC, lr=0.01)], [path], student, teachers, 10, "code")
    assert not weights.exists()
