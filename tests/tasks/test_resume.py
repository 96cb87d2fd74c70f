"""A training killed in the middle of an epoch and resumed equals the one that ran through."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from segsr import JointSegSR, run
from segsr.config import load_config

TESTS = Path(__file__).parents[1]
RECIPE = """
defaults:
  - data: samples
  - degradation: mild
  - trainer: cpu
  - _self_
name: tiny
seed: 0
run_dir: null
ckpt_path: null
output: ${run_dir}/weights
data: {crop_size: 64, batch_size: 2}
trainer:
  precision: 32-true
  max_steps: 6
  limit_val_batches: 0
  log_every_n_steps: 1
  enable_progress_bar: false
  enable_model_summary: false
  callbacks: {checkpoint: {every_n_train_steps: 2}, ema: {decay: 0.9}}
model:
  _target_: tiny.joint
  drop: 0.5
  optimizer: {_target_: torch.optim.AdamW, _partial_: true, lr: 1e-3}
  schedule: {_target_: torch.optim.lr_scheduler.StepLR, _partial_: true, step_size: 2, gamma: 0.5}
"""


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def tensors(value, prefix="") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    if not isinstance(value, dict | list | tuple):
        return {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: t for key, v in items for k, t in tensors(v, f"{prefix}.{key}").items()}


def test_killed_and_resumed_is_uninterrupted_to_the_bit(tmp_path, monkeypatch) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run.fit(load_config(recipe, [f"run_dir={whole}"]))

    worker = [sys.executable, str(TESTS / "tasks" / "kill_worker.py"), str(recipe), "5"]
    path = os.pathsep.join([str(TESTS), str(TESTS / "tasks")])
    killed = subprocess.run(
        [*worker, f"run_dir={broken}"],
        env={**os.environ, "PYTHONPATH": path},
        timeout=200,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert checkpoint(broken)["global_step"] == 4  # of 5 samples in batches of 2: within an epoch

    run.fit(load_config(recipe, [f"run_dir={broken}", "ckpt_path=last"]))
    ours, theirs = checkpoint(broken), checkpoint(whole)
    assert ours["global_step"] == theirs["global_step"] == 6
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        found, expected = tensors(ours[part]), tensors(theirs[part])
        assert found.keys() == expected.keys()
        assert expected
        for name, tensor in expected.items():
            assert torch.equal(found[name], tensor), f"{part}{name}"
    # What was exported is the average.
    exported = JointSegSR.from_pretrained(whole / "weights").state_dict()
    assert all(torch.equal(exported[name], theirs["state_dict"][name]) for name in exported)
    assert (whole / "weights" / "bridge" / "config.json").exists()
