"""What a fit shows: steps of steps, the time left, short names, and nothing that is not ours."""

import subprocess
import sys
from pathlib import Path

import launch
import pytest

from segsr.cli import main
from segsr.training.budget import Budget
from segsr.training.steps_bar import short_name

RECIPE = launch.TESTS / "support" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _alone(alone, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(launch.TESTS / "training")])


def fit(*overrides: str) -> int:
    return main(["fit", "-c", str(RECIPE), "trainer.enable_progress_bar=true", "run_dir=run",
                 *overrides])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("train/image_loss", "image"),
        ("train/mask_cross_entropy", "mask"),
        ("train/l1", "l1"),
        ("loss", "loss"),
    ],
)
def test_names_are_short(name, short) -> None:
    assert short_name(name) == short


def test_a_fit_tells_the_step_of_how_many_and_its_losses(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert fit("trainer.max_steps=2") == 0
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.lstrip().startswith("fit ")]
    assert {"image", "mask", "2/2", "0:00:00"} <= set(line.split())
    assert not {"…", "Epoch"} & set(line)
    assert fit("trainer.max_steps=3", "ckpt_path=last") == 0
    assert "3/3" in capsys.readouterr().err


def test_a_budget_of_minutes_becomes_steps_at_the_pace_so_far(monkeypatch, capsys) -> None:
    monkeypatch.setattr(Budget, "spent", lambda self, trainer: min(1.0, trainer.global_step / 6))
    budget = "trainer.callbacks.budget._target_=segsr.training.budget.Budget"
    assert fit("trainer.max_steps=-1", f"+{budget}", "+trainer.callbacks.budget.minutes=9") == 0
    assert "6/6" in capsys.readouterr().err


def test_a_run_that_fails_ends_its_line_first(monkeypatch, capsys) -> None:
    assert fit("model.optimizer.lr=1e9", "~model.schedule") == 2
    lines = capsys.readouterr().err.splitlines()
    (bar,) = [index for index, line in enumerate(lines) if line.lstrip().startswith("fit ")]
    assert lines[bar + 1].startswith("segsr: training stopped at step")


@pytest.mark.slow
def test_nothing_is_said_that_is_not_ours() -> None:
    command = [*launch.SEGSR, "fit", "-c", str(RECIPE), "run_dir=run", "trainer.max_steps=2"]
    done = subprocess.run(
        command, env=launch.environment(), capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stderr.splitlines() == ["run folder: run", "weights: run/weights"]
    table = done.stdout.splitlines()
    assert all(line[0] in "┏┃┡│├└" for line in table)
    assert Path("run/weights/segsr.json").exists()
