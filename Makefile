PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/runs
INSTALLED := $(VENV)/installed
# A process a core, of a thread each: two threads of a small network wait for each other most of the
# time. A process takes up to 4 GB.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: setup demo test check fmt docs table2 compact gpu

setup: $(INSTALLED)

# What restoring, the page and training need; the rest is for the site, tests, checks and metrics of
# others.
# Modules are compiled when they are first imported: compiling all of them took a third of the time.
$(RUNS): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[app]"
	touch $@

$(INSTALLED): $(RUNS)
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev]"
	touch $@

demo: $(RUNS)
	$(BIN)/python examples/demo.py --out demo_output

test: setup
	$(PYTEST)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(SITE)
	$(BIN)/python -m pytest

# The site, in site/; `.venv/bin/mkdocs serve` shows it while it is written.
docs: setup
	$(SITE)

# The paper's ablation on the embedded weights and sample photographs.
table2: setup
	$(BIN)/segsr benchmark -c conf/table2.yaml -o table2_output

# The compact model, all stages: make compact DATA=FOLDER MINUTES=600 TEACHER=FILE VGG=FILE, with
# DEVICE=cuda on a GPU; see tools/train_compact.py. Killed, it goes on when called again.
OUT ?= runs/compact
compact: setup
	$(BIN)/python tools/train_compact.py --data $(DATA) --out $(OUT) --minutes $(MINUTES) \
		--device $(if $(filter auto,$(DEVICE)),cpu,$(DEVICE)) \
		$(if $(TEACHER),--teacher $(TEACHER)) $(if $(VGG),--vgg $(VGG))

# What a GPU does, against the CPU and by the clock: the tests marked gpu, then the table, also after
# a failed test. PY=python3 takes a Python as it is, without installing anything; DEVICE=cpu tries
# both out without a GPU.
PY ?=
DEVICE ?= auto
MINUTES ?= 2
GPU_OUT ?= runs/gpu
GPU_PYTHON = HF_HUB_OFFLINE=1 PYTHONPATH=$(CURDIR)/src$(if $(PYTHONPATH),:$(PYTHONPATH)) \
	$(or $(PY),$(BIN)/python)
gpu: $(if $(PY),,setup)
	failed=0; \
	SEGSR_GPU_DEVICE=$(if $(filter cpu,$(DEVICE)),cpu,cuda) $(GPU_PYTHON) -m pytest tests/gpu \
		-m gpu -q -rfEs --tb=short --show-capture=no || failed=1; \
	$(GPU_PYTHON) benchmarks/gpu.py --device $(DEVICE) --minutes $(MINUTES) --out $(GPU_OUT) \
		|| failed=1; \
	exit $$failed

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
