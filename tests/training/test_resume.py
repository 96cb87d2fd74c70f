"""A training killed in the middle of an epoch and resumed equals the one that ran through."""

import signal
import subprocess
import sys
from pathlib import Path

import launch
import torch
from saved import assert_equal_to_the_bit, checkpoint

from segsr import JointSegSR
from segsr.cli import run
from segsr.config import load_recipe

TESTS = Path(__file__).parents[1]
RECIPE = TESTS / "support" / "tiny.yaml"


def test_killed_and_resumed_is_uninterrupted_to_the_bit(tmp_path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run.fit(load_recipe(RECIPE, [f"run_dir={whole}"]))

    worker = [sys.executable, str(TESTS / "training" / "kill_worker.py"), str(RECIPE), "5"]
    killed = subprocess.run(
        [*worker, f"run_dir={broken}"],
        env=launch.environment(),
        timeout=200,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert checkpoint(broken)["global_step"] == 4  # of 5 samples in batches of 2: within an epoch

    run.fit(load_recipe(RECIPE, [f"run_dir={broken}", "ckpt_path=last"]))
    assert checkpoint(whole)["global_step"] == 6
    assert_equal_to_the_bit(broken, whole)
    # What was exported is the average. The checkpoint holds it, and nothing of the frozen networks.
    exported = JointSegSR.from_pretrained(whole / "weights").state_dict()
    average, current = (checkpoint(whole)[key] for key in ("state_dict", "current_model_state"))
    frozen = ("srdm.branch.autoencoder", "segdm.branch.prior")
    assert not [name for name in average if name.startswith(frozen)]
    assert all(torch.equal(exported[name], average[name]) for name in average)
    assert not any(torch.equal(current[n], average[n]) for n in average if n.endswith("weight"))
    assert (whole / "weights" / "bridge" / "config.json").exists()
