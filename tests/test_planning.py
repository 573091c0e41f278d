"""What the real workflow plans from a study's file, and what it refuses before anything runs."""

import re
import shutil
from itertools import pairwise

import networkx
import pytest
import yaml
from conftest import FASHION, ROOT
from running import SMALL, SMALL_ZOO, copy_repository, overlay_of, planned, snakemake


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return copy_repository(tmp_path_factory.mktemp("planning") / "transfer-atlas")


def write(clone, name, study):
    (clone / f"config/{name}.yaml").write_text(study if isinstance(study, str) else yaml.safe_dump(study))
    return f"config/{name}.yaml"


def rule_graph(text):
    """Edges of a mermaid flowchart."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", text))
    edges = set()
    for line in text.splitlines():
        chain = [names.get(rule.strip(), rule.strip()) for rule in line.split(" --> ")]
        edges |= set(pairwise(chain))
    return edges


def test_the_documented_graph_is_the_workflows(clone):
    """Figures, blocks of transfers and kinds of logits taken together; edges that others imply left out."""

    def short(rule):
        for pattern, name in (("transfer_", "transfer"), ("plot_", "plot_figure"), ("compute_pred", "compute_logits")):
            rule = name if rule.startswith(pattern) else rule
        return rule

    drawn = snakemake(clone, "--rulegraph", "mermaid-js", overlay=None).stdout
    graph = networkx.DiGraph((short(a), short(b)) for a, b in rule_graph(drawn) if b != "all")
    graph.remove_edges_from(networkx.selfloop_edges(graph))
    shown = re.search(r"```mermaid\n(.*?)```", (ROOT / "docs/how_it_works.md").read_text(), flags=re.S)[1]
    assert rule_graph(shown) == set(networkx.transitive_reduction(graph).edges)


def test_the_default_study_plans_every_job(clone):
    jobs = planned(clone, overlay=None)
    assert jobs["train_model"] == 12
    # a model that neither learns nor teaches is asked about the evaluation images alone
    assert (jobs["compute_logits"], jobs["compute_predictions"]) == (8, 4)
    assert jobs["transfer_kl"] == jobs["transfer_kl_dp"] == jobs["transfer_kl_dp_u"] == 4
    # of each student three controls, and five repetitions that measure the rounding error; six of these share a job
    assert jobs["transfer_controls"] == 4 * 2
    assert jobs["compare_models"] == jobs["gather_transfers"] == jobs["plot_success_rate"] == 1


def test_an_improved_student_is_planned_only_where_it_is_asked_for(clone):
    jobs = planned(clone, "results/embedded/students/gmlp.short", overlay=None)
    assert jobs["improve"] == 1
    # three methods; labels, self and five repetitions that measure the rounding error, of which six share a job
    assert {name: count for name, count in jobs.items() if name.startswith("improve_")} == {
        "improve_kl": 1,
        "improve_kl_dp": 1,
        "improve_kl_dp_u": 1,
        "improve_controls": 2,
    }
    assert not any(rule.startswith("transfer_") for rule in jobs)


def test_lint_finds_nothing_but_the_one_environment(clone):
    """The whole workflow runs in the environment of its package, so no rule names one of its own."""
    done = snakemake(clone, "--lint", overlay=None, check=False)
    titles = set(re.findall(r"^    \* (.*):$", done.stderr, flags=re.M))
    assert titles == {"Specify a conda environment or container for each rule."}


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("transfer.epoch", 3, "config: unknown key 'transfer.epoch'; did you mean epochs?"),
        (
            "transfer.methods",
            {"kl": {"target": "tutor"}},
            "'tutor' is not one of teacher, student, shuffled, most_confident, confidence_gap, flips, keep_flips, right",
        ),
        ("transfer.methods", {}, "config: key 'transfer.methods': {} should be non-empty"),
        ("pairs.teachers", ["test_byobnet.b"], "config key 'pairs.teachers': model 'test_byobnet.b' is not in the zoo"),
        ("pairs.teachers", ["test_mambaout.a"], "config key 'pairs': no pair of a student with another model"),
        ("images.root", "nowhere", "images.root: no file matches nowhere/train.parquet"),
        ("zoo.sheet", "config/none.tsv", "config/none.tsv: cannot be read (No such file or directory)"),
        (
            "geometry",
            None,
            "model test_mambaout.a has no input_size; let timm's be written into the sheet with: python",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(clone, key, value, line):
    overlay = overlay_of(clone, "mistake", {key: value})
    done = snakemake(clone, overlay=overlay, check=False)
    assert done.returncode == 1
    assert sum(line in text for text in (done.stdout + done.stderr).splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_a_dry_run_needs_no_image(clone):
    assert planned(clone, overlay=overlay_of(clone, "away", {"images.root": "nowhere"}))["train_model"] == 3


def test_a_geometry_of_one_model_that_is_in_no_pair_is_stored_nowhere(clone):
    rows = "".join(
        f"test_resnet.{name}\ttest_resnet\ttrain:short\t500\t{size}\n" for name, size in (("b", 48), ("c", 40))
    )
    (clone / "config/passing_zoo.tsv").write_text(SMALL_ZOO + rows)
    jobs = planned(clone, overlay=overlay_of(clone, "passing", {"zoo.sheet": "config/passing_zoo.tsv"}))
    assert (jobs["compute_logits"], jobs["compute_predictions"], jobs["compute_predictions_alone"]) == (3, 1, 1)
    # train, transfer and evaluation images at 32 and 40 pixels; at 48 those to train on
    assert jobs["decode_images"] == 3 + 3 + 1


def test_nothing_leaks_in_from_the_embedded_study(clone):
    """A study without `transfer` gets the paper's methods and recipe, not the embedded study's."""
    study = {key: SMALL[key] for key in ("images", "geometry", "zoo", "pairs")} | {"study": "bare"}
    jobs = planned(clone, overlay=write(clone, "bare", study))
    methods = {rule.removeprefix("transfer_") for rule in jobs if rule.startswith("transfer_")}
    assert methods == {"kl", "xe_kl", "xe_kl_mcl", "kl_dp", "kl_dp_u", "controls"}
    snakemake(clone, "results/bare/config.yaml", overlay="config/bare.yaml")
    used = yaml.safe_load((clone / "results/bare/config.yaml").read_text())
    assert used["transfer"]["epochs"] == used["transfer"]["methods"]["kl"]["epochs"] == 20
    assert used["views"] == {"count": 1, "transforms": []}
    assert list(used["zoo"]["recipes"]) == ["short"]


def test_the_documented_study_is_planned_with_its_own_geometry(clone):
    """Key for key as docs/own_study.md prints it, with the sheet and the local weights that it names."""
    page = (ROOT / "docs/own_study.md").read_text()
    study = re.search(r"```yaml\n# my_study.yaml\n(.*?)```", page, flags=re.S)[1]
    sheet = re.search(r"```\n(model\tarchitecture.*?)```", page, flags=re.S)[1]
    (clone / "my_zoo.tsv").write_text(sheet.replace("/weights/", f"{clone}/"))
    (clone / "mixer_b16.safetensors").touch()
    jobs = planned(clone, overlay=write(clone, "my_study", study))
    assert jobs["compute_logits"] == 3
    assert "train_model" not in jobs
    snakemake(clone, "results/mine/config.yaml", overlay="config/my_study.yaml", check=False)
    done = snakemake(clone, "--dry-run", overlay="config/my_study.yaml").stdout
    assert set(re.findall(r"pixels/evaluation/([\w.-]+)\.npy", done)) == {"224px-0.875-center-bicubic"}


def test_files_are_merged_in_order_and_null_removes_a_key(clone):
    (clone / "config/pairs.tsv").write_text("student\tteacher\ntest_vit.long\tmixer.plain\n")
    change = {"students": None, "teachers": None, "file": "config/pairs.tsv"}
    variant = {"study": "variant", "pairs": change, "transfer": {"methods": {"kl": None, "labels": None}}}
    jobs = planned(clone, overlay="config/config.yaml " + write(clone, "variant", variant))
    transfers = {rule: count for rule, count in jobs.items() if rule.startswith("transfer_")}
    assert transfers == {"transfer_kl_dp": 1, "transfer_kl_dp_u": 1, "transfer_controls": 2}
    assert jobs["train_model"] == 12


def test_a_file_of_pairs_alone_makes_blocks_named_after_their_method(clone):
    pairs = [(student, teacher) for student in ("a", "b", "c") for teacher in ("a", "b", "c") if student != teacher]
    names = {"a": "test_mambaout.a", "b": "test_byobnet.a", "c": "test_convnext.a"}
    lines = [f"{names[student]}\t{names[teacher]}" for student, teacher in pairs]
    (clone / "config/list.tsv").write_text("\n".join(["student\tteacher", *lines]) + "\n")
    overlay = overlay_of(clone, "listed", {"pairs": {"file": "config/list.tsv"}})
    done = snakemake(clone, "--dry-run", "--quiet", "rules", overlay=overlay).stdout
    rules = set(re.findall(r"^(transfer_\w+) +\d+$", done, flags=re.M))
    assert rules == {f"transfer_{m}_{n}" for m in ("kl", "kl_dp") for n in (1, 2, 3)} | {"transfer_controls_1"}


def test_chosen_pairs_come_later_and_the_plan_says_so(clone):
    change = {"pairs": {"choose": "stratified", "number": 1, "students": ["test_mambaout.a"]}}
    overlay = overlay_of(clone, "chosen", change)
    done = snakemake(clone, "--dry-run", overlay=overlay)
    assert (
        "Pairs are chosen once all models are compared; their transfers are planned then." in done.stdout + done.stderr
    )
    jobs = planned(clone, overlay=overlay)
    assert jobs["choose_pairs"] == 1
    assert not [rule for rule in jobs if rule.startswith("transfer_")]
    mistaken = overlay_of(clone, "chosen", {"pairs": {"choose": "top"}})
    done = snakemake(clone, "--dry-run", overlay=mistaken, check=False)
    assert "config: key 'pairs': 'number' is missing" in done.stdout + done.stderr


def test_a_name_alone_gets_a_line(clone):
    done = snakemake(clone, "--dry-run", "--config", "study=x", overlay=None, check=False)
    assert "config: nothing but a study's name, which is no study; give its file" in done.stdout + done.stderr


def test_cifar100_takes_another_root(clone):
    for split in ("train", "test"):
        shutil.copy(FASHION / f"{split}.parquet", clone / f"{split}.parquet")
    jobs = planned(clone, "--config", f"images={{root: {clone}}}", overlay="config/cifar100.yaml")
    assert jobs["train_model"] == 12


def test_two_studies_run_side_by_side_and_one_study_once(clone):
    from transfer_atlas.jobs.lock import hold_lock

    hold_lock(clone / ".snakemake/transfer_atlas/small.lock")
    done = snakemake(clone, "results/small/config.yaml", check=False)
    assert "another snakemake is running the study small" in done.stdout + done.stderr
    snakemake(clone, "results/beside/config.yaml", overlay=overlay_of(clone, "beside", {"study": "beside"}))


def test_as_many_gpu_jobs_as_gpus(clone, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    overlay, target = overlay_of(clone, "gpus", {"study": "gpus"}), "results/gpus/classes.parquet"
    done = snakemake(clone, target, overlay=overlay)
    assert re.search(r"Provided resources: gpu=.*2", done.stdout + done.stderr)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = snakemake(clone, target, "--forceall", overlay=overlay)
    assert "Provided cores" in done.stdout + done.stderr
    assert "Provided resources" not in done.stdout + done.stderr


NO_STUDY = "config: 'study' is missing, the name of the study and of its results folder"


def test_a_config_without_a_study_is_not_mixed_with_the_embedded_one(clone):
    """Neither a study whose name was forgotten, nor a key on the command line."""
    nameless = write(clone, "nameless", {key: value for key, value in SMALL.items() if key != "study"})
    for arguments, overlay in ((("--dry-run",), nameless), (("--dry-run", "--config", "seed=1"), None)):
        done = snakemake(clone, *arguments, overlay=overlay, check=False)
        assert NO_STUDY in done.stdout + done.stderr
    assert not (clone / "results/embedded").exists()


def test_a_variant_alone_is_told_how_to_be_given(clone):
    done = snakemake(clone, "--dry-run", overlay="config/embedded_teams.yaml", check=False)
    assert "a variant is given together with the study that it varies: --configfile" in done.stdout + done.stderr


def test_a_repeated_configfile_option_is_refused(clone):
    arguments = ("--dry-run", "--configfile", "config/config.yaml")
    done = snakemake(clone, *arguments, overlay="config/embedded_teams.yaml", check=False)
    assert "--configfile is given twice, and Snakemake reads the last one alone" in done.stdout + done.stderr


def test_a_repeated_key_is_refused_with_both_lines(clone):
    text = yaml.safe_dump(SMALL, sort_keys=False) + "transfer: {seeds: [0, 1]}\n"
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("transfer:")]
    done = snakemake(clone, "--dry-run", overlay=write(clone, "repeated", text), check=False)
    line = f"config/repeated.yaml: key 'transfer' stands twice, in lines {lines[0]} and {lines[1]}; join the two"
    assert line in done.stdout + done.stderr


def test_every_variant_that_ships_has_a_name_of_its_own():
    """Under the name of the study that it varies, it would change that study's results."""
    names = {}
    for path in (ROOT / "config").rglob("*.yaml"):
        names.setdefault(yaml.safe_load(path.read_text()).get("study"), []).append(path.name)
    assert names.pop(None) == ["cifar100_given.yaml"]  # the same weights, given and not trained
    assert {name: files for name, files in names.items() if len(files) > 1} == {}
