"""Config and zoo sheet: defaults are filled in, and each mistake gets one line that names it."""

import dataclasses
import errno
import multiprocessing
import os
import pickle
import queue
import re
import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, SCHEMA, ZOO_SCHEMA
from running import claim_and_wait, hold_and_die

from transfer_atlas.errors import InputError
from transfer_atlas.jobs.gpus import claim_gpu, list_gpus
from transfer_atlas.jobs.lock import hold_lock
from transfer_atlas.schemas.tables import SCHEMAS
from transfer_atlas.store.tables import write_table
from transfer_atlas.study.config import check_study, used_config
from transfer_atlas.study.identity import check_writable
from transfer_atlas.study.long_params import long_param
from transfer_atlas.study.sheet import geometry_name, geometry_of, read_sheet, read_zoo
from transfer_atlas.study.sources import image_files
from transfer_atlas.study.targets import check_targets, excluded_models, texts_to_print
from transfer_atlas.tools.doctor import examine, main
from transfer_atlas.transfer.spec import TransferSpec


def change(config, path, value):
    *parents, last = path.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def test_defaults_are_filled_in(config):
    del config["views"]
    check_study(config, SCHEMA)
    assert config["views"] == {"count": 1, "transforms": []}
    assert config["transfer"]["batch_norm"] == "frozen"
    assert config["transfer"]["methods"]["kl"]["temperature"] == 1.0
    assert config["zoo"]["recipes"]["plain"]["batch_size"] == 128


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("transfr", 1, "config: unknown key 'transfr'; did you mean transfer?"),
        ("transfer.epoch", 1, "config: unknown key 'transfer.epoch'; did you mean epochs?"),
        ("transfer.epochs", "5", "config: key 'transfer.epochs': '5' is not of type 'integer' (Passes over"),
        ("transfer.lr", 0, "config: key 'transfer.lr': 0 is less than or equal to the minimum of 0"),
        ("transfer.batch_norm", "off", "config: key 'transfer.batch_norm': 'off' is not one of frozen, train"),
        (
            "transfer.methods.kl.target",
            "techer",
            "'techer' is not one of teacher, student, shuffled, most_confident, confidence_gap, flips, keep_flips, right",
        ),
        (
            "transfer.methods.kl_dp",
            {"target": "most_confident"},
            "key 'transfer.methods.kl_dp': 'confidence' is missing",
        ),
        (
            "transfer.methods.kl.keep_weights",
            "best",
            "method 'kl' has keep_weights: best, so its select_share must be above 0",
        ),
        ("transfer.methods.kl.calibrate", True, "key 'transfer.methods.kl.calibrate': needs target: most_confident"),
        ("transfer.methods.kl.confidence", "label", "'confidence' needs target: most_confident or confidence_gap"),
        ("transfer.methods.new", {}, "config: method 'new' has no target, so its label_weight must be 1"),
        ("pairs", {"students": ["a.b"]}, "config: key 'pairs': give either students and teachers or file"),
        ("pairs", None, "config: give either tables or predictions or images and zoo and pairs"),
        ("predictions", {"files": "*.csv"}, "a study of predictions made elsewhere does not read 'seed'; remove it"),
        ("tables", "given", "a study of tables that were handed over does not read 'seed'; remove it"),
        ("transfer.methods", {}, "config: key 'transfer.methods': {} should be non-empty"),
        ("views.transforms", [{"name": "RandomFlip"}], "'RandomFlip' is not one of RandomHorizontalFlip"),
        ("views.transforms", [{"name": "GaussianBlur", "hue": 0.1}], "GaussianBlur has no option 'hue'"),
        ("sweep", {"epochs": [1, 0]}, "config: section 'sweep': key 'epochs': 0 is less than the minimum of 1"),
        ("sweep", {"epoch": [1]}, "'epoch' is not one of image_share, epochs"),
    ],
)
def test_a_mistake_in_the_config_is_one_line(config, path, value, line):
    change(config, path, value)
    with pytest.raises(InputError) as error:
        check_study(config, SCHEMA)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_zoo_sheet_is_read_with_types(sheet):
    path = sheet(
        ("a.x", "test_vit", '{"patch_size": 8}', "train:r", "32"),
        columns=("model", "architecture", "kwargs", "weights", "input_size"),
    )
    row = read_zoo(path, ZOO_SCHEMA, {"r": {}})["a.x"]
    assert row["kwargs"] == {"patch_size": 8}
    assert row["input_size"] == 32
    assert row["inference_batch_size"] == 256


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("a.x", "net", "", "hub"), ("a.x", "net", "", "hub")], "row 3: model 'a.x' is named twice"),
        ([("a.x", "net", "", "train:lang")], "row 2: no training recipe 'lang' in zoo.recipes; did you mean long?"),
        ([("a.x", "net", "", "/no/file.pth")], "row 2: weights file '/no/file.pth' does not exist"),
        ([("a.x", "net", "", "w{1}.pth")], "row 2: w{1}.pth has braces, which Snakemake takes for wildcards"),
        ([("a.x", "net", "{patch: 8}", "hub")], "row 2: column 'kwargs' should be object in JSON"),
        ([("DeiT Tiny", "net", "", "hub")], "row 2: model name 'DeiT Tiny' may hold only letters, digits and _ . + -"),
        ([("a" * 238, "net", "", "hub")], "row 2: model name 'aaaa"),
        ([("none", "net", "", "hub")], "row 2: a model cannot be called 'none'"),
        ([("a.x", "", "", "hub")], "row 2: 'architecture' is missing"),
        ([], "has no models"),
    ],
)
def test_a_mistake_in_the_sheet_names_its_row(sheet, rows, line):
    with pytest.raises(InputError) as error:
        read_zoo(sheet(*rows), ZOO_SCHEMA, {"long": {}})
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_column_is_named(sheet):
    path = sheet(("a.x", "net"), columns=("model", "architecture"))
    with pytest.raises(InputError, match=r"zoo.tsv: column 'weights' is missing"):
        read_zoo(path, ZOO_SCHEMA, {})


def test_the_row_of_a_model_overrides_the_geometry():
    default = {"input_size": 224, "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"}
    geometry = geometry_of({"model": "a.x", "input_size": 384}, default, "zoo.tsv")
    assert geometry_name(geometry) == "384px-0.875-center-bicubic"


def test_no_image_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no file matches .*train-\*\.parquet"):
        image_files({"root": tmp_path, "train": "train-*.parquet", "evaluation": "v", "held_out": 0}, "transfer")


def test_the_lock_is_exclusive_and_dies_with_its_process(tmp_path):
    path = tmp_path / "lock"
    process = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(path,))
    process.start()
    process.join()
    hold_lock(path)
    with pytest.raises(InputError, match="another snakemake is running the study lock"):
        hold_lock(path)


def test_a_file_system_without_locks_gets_a_line(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(InputError, match="this file system has no locks"):
        hold_lock(tmp_path / "lock")


def test_an_empty_sheet_has_no_columns(tmp_path):
    (tmp_path / "zoo.tsv").touch()
    with pytest.raises(InputError, match=r"zoo.tsv: column 'model' is missing"):
        read_zoo(tmp_path / "zoo.tsv", ZOO_SCHEMA, {})


def minimal():
    images = {"root": "r", "train": "t", "evaluation": "e", "classes": 5}
    return {"study": "mine", "images": images, "zoo": {"sheet": "z"}, "pairs": {"file": "p"}}


def test_what_a_study_does_not_say_is_the_papers_recipe():
    config = minimal()
    check_study(config, SCHEMA)
    transfer = config["transfer"]
    assert (transfer["epochs"], transfer["lr"], transfer["batch_size"]) == (20, 0.0001, 256)
    assert list(transfer["methods"]) == ["kl", "xe_kl", "xe_kl_mcl", "kl_dp", "kl_dp_u", "self", "labels"]
    assert config["images"]["transfer_images"] == 0.1


def test_a_method_takes_from_the_shared_recipe_what_it_does_not_say():
    config = minimal() | {"transfer": {"lr": 0.5, "methods": {"a": {"target": "teacher", "epochs": 3}}}}
    check_study(config, SCHEMA)
    method = config["transfer"]["methods"]["a"]
    assert (method.pop("seeds"), method.pop("keep_weights")) == ([0], "never")
    assert (method["lr"], method["epochs"], method["momentum"]) == (0.5, 3, 0.9)
    # each knob of a method is a field of the transfer, and each field that is no name (and not set by a team) a knob
    named = {"method", "student", "teacher", "seed", "first_view"}
    fields = {field.name for field in dataclasses.fields(TransferSpec)} - named
    knobs = SCHEMA["properties"]["transfer"]["properties"]["methods"]["additionalProperties"]["properties"]
    assert set(knobs) - {"seeds", "keep_weights"} == fields
    TransferSpec("a", "s", "t", 0, **method)


def test_fidelity_to_the_authors_sets_their_quirks_where_nothing_else_is_said():
    config = minimal() | {
        "transfer": {"fidelity": "authors", "methods": {"a": {"target": "teacher", "double_softmax": False}}}
    }
    check_study(config, SCHEMA)
    assert config["transfer"]["methods"]["a"]["batch_norm"] == "train"
    assert not config["transfer"]["methods"]["a"]["double_softmax"]
    config = minimal() | {"transfer": {"fidelity": "authors"}}
    check_study(config, SCHEMA)
    mcl = config["transfer"]["methods"]["xe_kl_mcl"]
    assert mcl["slow_weights"] == {"tau": 0.9999, "every_images": 512, "reset": True}
    assert (mcl["spare_right"], mcl["double_softmax"], mcl["batch_norm"]) == (True, True, "train")
    evaluated = {name: method["teacher_evaluated_on"] for name, method in config["transfer"]["methods"].items()}
    assert {evaluated.pop(control) for control in ("self", "labels")} == {"own_input"}
    assert set(evaluated.values()) == {"student_input"}
    plain = minimal() | {"transfer": {}}
    check_study(plain, SCHEMA)
    mcl = plain["transfer"]["methods"]["xe_kl_mcl"]
    assert (mcl["spare_right"], mcl["double_softmax"], mcl["batch_norm"]) == (False, False, "frozen")
    assert not mcl["slow_weights"]["reset"]
    for target in ("student", "mutual"):
        odd = {"methods": {"a": {"target": target, "teacher_evaluated_on": "student_input"}}}
        with pytest.raises(InputError, match=r"method 'a'.*must have a teacher that does not learn"):
            check_study(minimal() | {"transfer": odd}, SCHEMA)


def test_a_key_that_is_null_is_removed(config):
    config["pairs"] |= {"students": None, "teachers": None, "file": "pairs.tsv"}
    config["transfer"]["methods"]["kl_dp_u"] = None
    check_study(config, SCHEMA)
    assert config["pairs"] == {"file": "pairs.tsv"}
    assert list(config["transfer"]["methods"]) == ["kl", "kl_dp", "self", "labels", "random", "rounding"]


def test_a_name_alone_is_no_study():
    with pytest.raises(InputError, match="nothing but a study's name, which is no study; give its file"):
        check_study({"study": "x"}, SCHEMA)


def test_the_written_config_has_what_is_used_and_no_more(config):
    check_study(config, SCHEMA)
    used = used_config(config, {"a.x": {"weights": "train:plain"}, "b.x": {"weights": "hub"}})
    assert list(used["zoo"]["recipes"]) == ["plain"]
    assert "text_model" not in used["complementarity"]
    elsewhere = {"study": "leaderboard", "predictions": {"files": "*.csv"}}
    check_study(elsewhere, SCHEMA)
    assert set(used_config(elsewhere, {})) == {"study", "on_error", "predictions", "complementarity"}


def test_a_long_parameter_prints_its_digest_and_arrives_whole(config):
    param = long_param(config)
    assert len(repr(param)) < 60
    assert repr(param) == repr(long_param(dict(reversed(config.items()))))
    assert repr(param) != repr(long_param({**config, "study": "other"}))
    assert repr(long_param([1, 2])) != repr(long_param([2, 1]))
    arrived = pickle.loads(pickle.dumps(param))
    assert type(arrived) is dict
    assert arrived == config


def test_without_a_geometry_the_command_that_writes_it_is_named():
    row = {"model": "a.x", "input_size": 384}
    with pytest.raises(InputError, match=r"model a.x has no crop_pct; .*zoo.sheet --complete zoo.tsv"):
        geometry_of(row, {}, "zoo.tsv")


def test_gpus_are_counted_and_shared_out(tmp_path, monkeypatch):
    assert list_gpus({"CUDA_VISIBLE_DEVICES": "0,1,3"}) == ["0", "1", "3"]
    assert list_gpus({"CUDA_VISIBLE_DEVICES": ""}) == list_gpus({"PATH": ""}) == []
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 0\necho 1\n")
    fake.chmod(0o755)
    assert list_gpus({"PATH": f"{tmp_path}:/usr/bin:/bin"}) == ["0", "1"]


def test_each_process_gets_a_gpu_of_its_own(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    taken, leave = spawn.Queue(), [spawn.Event() for _ in range(3)]
    processes = [spawn.Process(target=claim_and_wait, args=(tmp_path, taken, event)) for event in leave]
    for process in processes[:2]:
        process.start()
    assert {taken.get(timeout=60), taken.get(timeout=60)} == {"0", "1"}
    processes[2].start()
    with pytest.raises(queue.Empty):
        taken.get(timeout=1)
    leave[0].set()  # one ends, and the third gets its GPU
    assert taken.get(timeout=60) in ("0", "1")
    for event, process in zip(leave, processes, strict=True):
        event.set()
        process.join()
    assert claim_gpu({"CUDA_VISIBLE_DEVICES": "0", "SLURM_JOB_ID": "7"}, tmp_path) is None


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Commands of a cluster whose partitions are called otherwise; they alone are on the path."""

    def write(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    write("sbatch", "exit 0")
    write("squeue", "exit 0")
    write("sinfo", "echo short")
    write("sacctmgr", "echo lab")
    return write


def test_the_doctor_names_the_three_first_mistakes(cluster, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("transfer_atlas.tools.doctor.version", missing)
    lines = {what: (works, found) for what, works, found in examine()}
    plugin = lines["snakemake-executor-plugin-slurm"]
    assert plugin == (False, "not installed; --profile slurm needs it: pip install -e '.[slurm]'")
    assert lines["partition gpu"] == (False, "the cluster has short")
    assert lines["account"] == (True, "lab; give it: --default-resources slurm_account=lab")
    assert lines["squeue"][0]
    cluster("squeue", "exit 1")
    assert not dict((what, works) for what, works, _ in examine())["squeue"]


def test_without_slurm_the_doctor_finds_nothing_wrong(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main() == 0
    assert "Slurm: no sbatch here; studies run on this machine: snakemake --cores N" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            "transfer: {lr: 1e-4}",
            "key 'transfer.lr': '1e-4' is not of type 'number'; write 0.0001, for YAML reads 1e-4 as text",
        ),
        ("study: 2024_11_26", "key 'study': 20241126 is not of type 'string'; put it in quotes"),
    ],
)
def test_what_yaml_reads_in_another_way_than_people_mean_it_has_a_cure(config, change, line):
    changed = yaml.safe_load(change)
    config["transfer"] |= changed.get("transfer", {})
    with pytest.raises(InputError) as error:
        check_study(config | {key: value for key, value in changed.items() if key != "transfer"}, SCHEMA)
    assert line in str(error.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("\ufeffmodel\tarchitecture \tweights\nm.a\tnet\thub\n".encode(), "m.a"),
        ("model\tarchitecture\tweights\nm.a\tnet\thub\n".encode("utf-16"), "is not UTF-8; save it as UTF-8"),
        (b"model\tarchitecture\tweights\nm.a\tnet\thub\t\t\n", "row 2: has more cells than the header"),
    ],
    ids=["bom", "utf16", "cells"],
)
def test_a_sheet_is_read_as_spreadsheets_write_it(tmp_path, content, found):
    path = tmp_path / "zoo.tsv"
    path.write_bytes(content)
    if found == "m.a":
        assert read_sheet(path, ["model", "architecture"])[0]["model"] == found
    else:
        with pytest.raises(InputError, match=found):
            read_sheet(path, ["model"])


KNOWN = {
    "figures": ["scaling", "pair_matrix"],
    "tables": ["transfers", "models"],
    "methods": ["kl", "kl_dp"],
    "models": ["a.t", "b.t"],
}


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("results/x/figures/pair_matrx.pdf", "this study has no figure 'pair_matrx'; did you mean pair_matrix?"),
        ("results/x/transfer.parquet", "this study has no table 'transfer'; did you mean transfers?"),
        ("results/x/recommend/c.t.txt", "this study has no model 'c.t'; did you mean"),
        ("--cores 2 ./results/x/students/b", "this study has no model 'b'; known: a.t, b.t"),
        ("results/x/transfers/kl_d/a.t/b.t/0.parquet", "this study has no method 'kl_d'; did you mean kl_dp"),
        ("results/x/transfers/kl/a.t/b/0.parquet", "this study has no teacher 'b'; known: a.t, b.t, none"),
        ("results/x/logits/transfer/b.npy", "this study has no model 'b'; known: a.t, b.t"),
        (
            "-n results/y/models.parquet",
            "is of the study 'y', but this call reads the study 'x'; give the config of 'y'",
        ),
        ("config/imagenet.yaml --cores 1", "stands as a target; give it with --configfile config/imagenet.yaml"),
    ],
)
def test_a_wrong_name_in_a_target_is_one_line_with_the_nearest(call, line, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match=re.escape(line)):
        check_targets(["snakemake", *call.split()], "x", KNOWN)


@pytest.mark.parametrize(
    "call",
    [
        "--cores 2",
        "results/x/figures/pair_matrix.pdf results/x/recommend/a.t.txt results/x/recommend/checks.parquet all",
        "results/x/transfers/kl/a.t/none/0.parquet --configfile config/imagenet.yaml config/config.yaml",
        "results/x/students/a.t results/x/atlas.html results/x/summary.txt --cores 1",
        "results/x/figures/by_method/gain_loss",
        "--snakefile config/imagenet.yaml",
    ],
)
def test_sound_targets_pass(call, monkeypatch):
    monkeypatch.chdir(ROOT)
    check_targets(["snakemake", *call.split()], "x", KNOWN)


def test_a_study_whose_models_are_not_known_yet_refuses_none():
    check_targets(["snakemake", "results/x/recommend/c.txt"], "x", KNOWN | {"models": []})


def test_a_method_that_is_called_like_a_sweep_is_refused(config):
    config["transfer"]["methods"]["epochs_kl"] = {"target": "teacher"}
    config["sweep"] = {"epochs": [1, 2]}
    with pytest.raises(
        InputError, match="method 'epochs_kl' is called like the sweep of 'epochs' with method 'kl'; rename it"
    ):
        check_study(config, SCHEMA)


def test_a_misspelt_target_is_what_the_line_is_about(config):
    config["transfer"]["methods"]["kl_dp"] = {"target": "most_confidant", "confidence": "label"}
    with pytest.raises(InputError, match="'most_confidant' is not one of teacher"):
        check_study(config, SCHEMA)


def test_a_run_prints_the_texts_that_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary, advice = Path("results/x/summary.txt"), Path("results/x/recommend/a.t.txt")
    assert texts_to_print([], "x") == []
    for text in (summary, advice):
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("table")
    assert texts_to_print([], "x") == [summary]
    assert texts_to_print(["all", str(advice), "results/x/figures/teams.pdf"], "x") == [summary, advice]


def test_a_run_says_how_many_models_were_left_out_and_why(tmp_path):
    assert excluded_models(tmp_path) is None
    rows = [{"model": f"m{number}", "excluded": number > 1, "remark": f"fault {number}"} for number in range(9)]
    models = pd.DataFrame(rows).reindex(columns=SCHEMAS["models"].names).assign(mean=None, std=None)
    write_table(models, "models", tmp_path / "models.parquet")
    lines = excluded_models(tmp_path).splitlines()
    assert lines[0] == "7 of 9 models were left out:"
    assert lines[1] == "  m2: fault 2"
    assert lines[-1] == f"  and 2 more, see remark in {tmp_path}/models.parquet"


def test_results_that_cannot_be_written_are_refused_in_one_line(tmp_path):
    check_writable(tmp_path / "results/x")
    locked = tmp_path / "results"
    locked.mkdir()
    if os.geteuid() == 0:  # may write everywhere but to a read-only file system
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", locked], check=False).returncode:
            pytest.skip("no file system can be mounted here")
    else:
        locked.chmod(0o555)
    try:
        with pytest.raises(InputError, match=re.escape(f"({locked} is read-only); copy the results")):
            check_writable(locked / "x")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", locked], check=True)
