# make study: the embedded study; make test: the whole test suite. Both set up .venv first.
CORES ?= 2
BIN := .venv/bin

.PHONY: env study test lint bench report

env: .venv/installed

.venv/installed: pyproject.toml
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	touch $@

study: env
	$(BIN)/snakemake --cores $(CORES)
	@cat results/embedded/summary.txt

test: env
	$(BIN)/pytest

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

# for docs/benchmarks.md
bench: env
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

report: env
	$(BIN)/snakemake --report results/embedded/report.html
