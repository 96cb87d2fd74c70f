PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: setup demo test check fmt table2

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/python examples/demo.py --out demo_output

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

# The paper's ablation on the embedded weights and sample photographs.
table2: setup
	$(BIN)/segsr benchmark -c conf/table2.yaml -o table2_output

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
