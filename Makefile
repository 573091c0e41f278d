# make demo: a first look; make study: the embedded study; make test: the whole test suite. Each sets up .venv first.
CORES ?= 2
BIN := .venv/bin

.PHONY: help env demo study improve atlas test fuzz lint slurm-test doctor verify kill-matrix bench report notebook notebooks

help:
	@echo "make demo        figures and a recommendation from tables that are in the repository, without training"
	@echo "make study       the embedded study: training, logits, pairs, transfers, figures"
	@echo "make improve     a better student, as a folder that timm loads; STUDENT=<model>, CONFIG=my_study.yaml for your study"
	@echo "make atlas       one HTML file that compares all models of a study; CONFIG=my_study.yaml for your study"
	@echo "make report      one HTML page with all figures and tables; CONFIG=my_study.yaml for your study"
	@echo "make notebook    the notebooks in Jupyter"
	@echo "make doctor      what will not work on this machine or cluster"
	@echo "make verify      read all files of a study against their checksums; STUDY=<name>"
	@echo "make test, lint, slurm-test, bench, kill-matrix, notebooks    for developers"

env: .venv/installed

PYTHON ?= python3
NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11))'
.venv/installed: pyproject.toml
	@$(PYTHON) -c $(NEW_ENOUGH) || { echo "$(PYTHON) is older than Python 3.11; name a newer one: make env PYTHON=python3.11"; exit 1; }
	@! [ -x $(BIN)/python ] || $(BIN)/python -c $(NEW_ENOUGH) || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev,slurm]'
	# bytecode of what jobs and Snakemake import: where Python must not write it (PYTHONDONTWRITEBYTECODE), each would compile it anew
	env -u PYTHONDONTWRITEBYTECODE sh -c '$(BIN)/python -c "import timm, torchvision.transforms.v2" & \
	  $(BIN)/python -c "import pandas, pyarrow.parquet, seaborn, numba, statsmodels.api"; $(BIN)/snakemake -n >/dev/null 2>&1; wait $$!'
	touch $@

# a first look in half a minute: figures and a recommendation from the tables of the embedded study, without training
demo: env
	$(BIN)/python -m transfer_atlas.datasets.embedded_study.copy results/demo
	$(BIN)/snakemake --cores $(CORES) all results/demo/recommend/gmlp.short.txt --quiet rules --config study=demo tables=given
	@echo "figures: results/demo/figures"

study: env
	$(BIN)/snakemake --cores $(CORES)

test: env
	$(BIN)/pytest

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/hadolint Dockerfile

# tables mangled as people mangle them, 10,000 of them
fuzz: env
	FUZZ_EXAMPLES=10000 $(BIN)/pytest -n 0 tests/test_fuzz.py tests/test_fuzz_study.py

# a real Slurm on this machine; needs Debian's slurm-wlm and munge
slurm-test: env
	$(BIN)/pytest -n 0 tests/slurm/check_cluster.py

# what of these surroundings will not work
doctor: env
	$(BIN)/python -m transfer_atlas.tools.doctor

# what ends a study half-way, played and written to docs/reliability.md; an hour, goes on where it was ended
kill-matrix: env
	for part in local random slurm page; do $(BIN)/python tests/kill_matrix.py $$part || exit 1; done

# read every file of a study against its checksum, and remove what is damaged: make verify STUDY=cifar100
STUDY ?= embedded
verify: env
	$(BIN)/python -m transfer_atlas.tools.verify results/$(STUDY)

# for docs/benchmarks.md
bench: env
	$(BIN)/python -m transfer_atlas.datasets.lite data/lite
	for script in benchmarks/*.py; do echo "== $$script"; TQDM_DISABLE=1 $(BIN)/python $$script || exit 1; done

# make report CONFIG=my_study.yaml: that study's; several files in quotes, as behind --configfile
CONFIG ?= config/config.yaml
NAME_OF := $(BIN)/python -c 'import sys, yaml; print([s for f in sys.argv[1:] if (s := yaml.safe_load(open(f)).get("study"))][-1])'
report: env
	$(BIN)/snakemake --cores $(CORES) report_pages all --configfile $(CONFIG)
	$(BIN)/snakemake report_pages all --configfile $(CONFIG) --report \
		results/$$($(NAME_OF) $(CONFIG))/report.html

# make atlas CONFIG=my_study.yaml: one HTML file that compares all models of a study, offline
atlas: env
	$(BIN)/snakemake --cores $(CORES) results/$$($(NAME_OF) $(CONFIG))/atlas.html --configfile $(CONFIG)

# make improve STUDENT=gmlp.short CONFIG=my_study.yaml: a better student as a folder that timm loads
improve: env
	$(BIN)/snakemake --cores $(CORES) results/$$($(NAME_OF) $(CONFIG))/students/$(STUDENT) --configfile $(CONFIG)
	@cat results/$$($(NAME_OF) $(CONFIG))/students/$(STUDENT)/README.md

# Jupyter on this machine; the notebooks are plain Python (jupytext), and open by a right click, "Open With > Notebook"
notebook: .venv/notebook
	$(BIN)/jupyter lab --ip 127.0.0.1 notebooks

# executed copies; NOTEBOOKS=notebooks makes those anew that are in the repository, which people read on the web
NOTEBOOKS ?= results/notebooks
notebooks: .venv/notebook
	mkdir -p $(NOTEBOOKS)
	for source in notebooks/*.py; do $(BIN)/jupytext --quiet --to ipynb --set-kernel python3 --run-path notebooks \
		--execute --output $(NOTEBOOKS)/$$(basename $$source .py).ipynb $$source || exit 1; done

.venv/notebook: .venv/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[notebook]'
	touch $@
