"""Joint training on the device, in mixed precision: `segsr fit` as a user starts it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from saved import checkpoint, losses, tensors

from segsr.cli import run
from segsr.config import load_recipe

pytestmark = pytest.mark.gpu

RECIPE = Path(__file__).parents[1] / "support" / "tiny.yaml"
NETWORKS = "trainer.callbacks.networks"
AS_ON_GPUS = [f"{NETWORKS}.gradient_checkpointing=true", f"{NETWORKS}.low_precision_frozen=true"]
"""What conf/trainer/gpu.yaml adds."""


def fit(device: torch.device, folder: str, steps: int, *overrides: str) -> dict:
    """The losses of a fit up to `steps`, by step."""
    accelerator = "gpu" if device.type == "cuda" else device.type
    ours = [f"run_dir={folder}", f"trainer.max_steps={steps}", f"trainer.accelerator={accelerator}"]
    ours += ["trainer.devices=1", "trainer.precision=bf16-mixed"]
    run.fit(load_recipe(RECIPE, [*ours, *overrides]))
    return losses(Path(folder))


@pytest.mark.parametrize("networks", [[], AS_ON_GPUS], ids=["plain", "as on GPUs"])
def test_two_steps_of_joint_training(device, alone, networks) -> None:
    found = fit(device, "run", 2, *networks)
    assert sorted(found) == [0, 1]
    assert all(math.isfinite(value) for row in found.values() for value in row.values())
    state = checkpoint(Path("run"))
    assert state["global_step"] == 2
    weights = tensors(state["state_dict"])
    assert weights
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert (Path("run") / "weights" / "bridge" / "config.json").exists()


def test_a_resumed_fit_goes_on_as_the_uninterrupted_one(device, alone) -> None:
    """Not to the bit: some gradients on CUDA are summed in any order."""
    whole = fit(device, "whole", 4)
    fit(device, "broken", 2)
    resumed = fit(device, "broken", 4, "ckpt_path=last")
    assert checkpoint(Path("broken"))["global_step"] == 4
    assert sorted(resumed) == sorted(whole) == [0, 1, 2, 3]
    for step, row in whole.items():
        assert resumed[step] == pytest.approx(row, rel=0.05, abs=1e-3)
