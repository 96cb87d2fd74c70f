"""Fixtures that more than one test module uses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOY_RECIPE = """
defaults:
  - model: boring
  - trainer: cpu
  - _self_
name: toy
seed: 7
run_dir: null
ckpt_path: null
width: 8
data:
  _target_: lightning.pytorch.demos.boring_classes.BoringDataModule
"""
TOY_MODEL = """
_target_: lightning.pytorch.demos.boring_classes.BoringModel
"""
TOY_TRAINER = """
_target_: lightning.Trainer
accelerator: cpu
max_steps: 2
limit_val_batches: 0
limit_test_batches: 1
enable_progress_bar: false
enable_model_summary: false
log_every_n_steps: 1
logger:
  csv:
    _target_: lightning.pytorch.loggers.CSVLogger
    save_dir: ${run_dir}
    name: csv
callbacks:
  checkpoint:
    _target_: lightning.pytorch.callbacks.ModelCheckpoint
    dirpath: ${run_dir}/checkpoints
"""
LAUNCHER_PREFIXES = ("SLURM_", "TORCHELASTIC_", "MASTER_", "SEGSR_")
LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")


@pytest.fixture
def write(tmp_path):
    """Writes text to a file below `tmp_path` and returns its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def picture():
    """Writes one random image, or one of labels, and returns its path."""

    def picture(path: Path, width: int = 48, height: int = 40, labels: int | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(sum(path.name.encode()))
        if labels is None:
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        else:
            pixels = rng.integers(0, labels, (height, width), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return picture


@pytest.fixture
def toy_conf(write, monkeypatch):
    """A packaged folder with one recipe, which trains Lightning's BoringModel, and two groups."""
    write("packaged/compact.yaml", TOY_RECIPE)
    write("packaged/model/boring.yaml", TOY_MODEL)
    folder = write("packaged/trainer/cpu.yaml", TOY_TRAINER).parents[1]
    monkeypatch.setattr("segsr.config.packaged.packaged_conf", lambda: folder)
    return folder


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty working folder, and no launcher's variables in the environment."""
    for variable in list(os.environ):
        if variable.startswith(LAUNCHER_PREFIXES) or variable in LAUNCHER_VARIABLES:
            monkeypatch.delenv(variable)
    # setenv and delenv so that what the code under test sets is taken back as well
    for variable in ("SEGSR_RUN_DIR", "PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium; tests are skipped where the machine has none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("neither Chromium with chromedriver nor Chrome is on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-color-profile=srgb",
        "--window-size=1200,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chromium
    chromium.quit()
