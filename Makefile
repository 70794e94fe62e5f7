PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUNS   := $(VENV)/.runs
STAMP  := $(VENV)/.installed

# Tests and benchmarks start syncd hundreds of times: without bytecode on disk, each start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint format clean torture bench idle

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "syncd needs Python 3.11 or newer; say which with make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)

$(RUNS): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	touch $@

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[postgresql,alerts,dev]'
	touch $(RUNS) $@

demo: $(RUNS)
	$(BIN)/syncd demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 4 --dist loadgroup

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

torture: $(STAMP)
	HYPOTHESIS_PROFILE=torture $(BIN)/python -m pytest tests/property tests/system/test_kill.py $(ARGS)

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py --keep $(ARGS)

idle: $(STAMP)
	$(BIN)/python benchmarks/idle.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
