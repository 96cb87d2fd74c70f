"""`segsr fit` on two processes, whoever starts them: the losses of one process, one run folder.

One process with batches of two and two processes with batches of one see the same samples and the
same noise. Their numbers differ by the order of float32 sums alone, which AdamW's division by a
second moment near zero may enlarge: hence 1e-5 of a loss after a few steps, not equality.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import launch
import pytest
import torch
from saved import assert_equal_to_the_bit, checkpoint, losses, tensors

from segsr.cli import run
from segsr.config import load_recipe

RECIPE = launch.TESTS / "support" / "tiny.yaml"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
LAUNCHERS = {"lightning": [], "torchrun": [*TORCHRUN, "--no-python"]}
SCHEDULE = "~model.schedule"  # so that the end of a run does not change what comes before it


def command(launcher: str, strategy: str, *overrides: str) -> list[str]:
    two = [f"trainer={strategy}", "trainer.accelerator=cpu", "trainer.devices=2"]
    batch = ["data.batch_size=1", "trainer.accumulate_grad_batches=1"]
    fit = [*launch.SEGSR, "fit", "-c", str(RECIPE), *two, *batch, *overrides]
    return [*LAUNCHERS[launcher], *fit]


def assert_close(ours, theirs) -> None:
    assert ours.keys() == theirs.keys()
    assert ours
    for step, found in ours.items():
        assert found == pytest.approx(theirs[step], rel=1e-5, abs=1e-7), step


@pytest.mark.slow  # test_ddp.py holds the gradient itself
def test_two_processes_have_the_losses_of_one(alone) -> None:
    run.fit(load_recipe(RECIPE, ["run_dir=one", "trainer.max_steps=3"]))
    launch.run(command("lightning", "ddp", "trainer.max_steps=3"))
    assert [path.name for path in Path("runs").iterdir()] == ["tiny"]
    (two,) = Path("runs/tiny").iterdir()
    assert_close(losses(two), losses(Path("one")))
    assert len(losses(two)) == 3
    assert checkpoint(two)["state_dict"].keys() == checkpoint(Path("one"))["state_dict"].keys()
    assert (two / "weights" / "bridge" / "config.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_every_strategy_resumes(launcher, strategy, alone) -> None:
    run.fit(load_recipe(RECIPE, ["run_dir=one"]))
    launch.run(command(launcher, strategy, "run_dir=whole"))
    assert_close(losses(Path("whole")), losses(Path("one")))
    launch.run(command(launcher, strategy, "run_dir=broken", "trainer.max_steps=4"))
    launch.run(command(launcher, strategy, "run_dir=broken", "ckpt_path=last"))
    assert losses(Path("broken")) == losses(Path("whole"))
    assert_equal_to_the_bit(Path("broken"), Path("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("launcher", "strategy"), [("lightning", "ddp"), ("torchrun", "ddp"), ("torchrun", "fsdp")]
)
def test_a_signal_from_outside_saves(launcher, strategy, number, alone) -> None:
    settings = [SCHEDULE, "trainer.callbacks.checkpoint.every_n_train_steps=5"]
    endless = command(launcher, strategy, *settings, "run_dir=broken", "trainer.max_steps=1000")
    status, output = launch.stop(endless, number, Path("broken/checkpoints/last.ckpt"))
    assert "resume with: segsr fit -c broken/config.yaml" in output, output[-3000:]
    if launcher == "lightning":
        assert status == 128 + number
    stopped = checkpoint(Path("broken"))["global_step"]
    assert 5 <= stopped < 1000
    end = f"trainer.max_steps={stopped // 5 * 5 + 5}"
    launch.run(command(launcher, strategy, *settings, "run_dir=broken", "ckpt_path=last", end))
    launch.run(command(launcher, strategy, *settings, "run_dir=whole", end))
    assert_equal_to_the_bit(Path("broken"), Path("whole"))


@pytest.mark.slow
def test_a_checkpoint_of_one_strategy_resumes_under_another(alone) -> None:
    run.fit(load_recipe(RECIPE, ["run_dir=run", "trainer.max_steps=2"]))
    launch.run(command("lightning", "fsdp", "run_dir=run", "ckpt_path=last", "trainer.max_steps=4"))
    run.fit(load_recipe(RECIPE, ["run_dir=run", "ckpt_path=last"]))
    run.fit(load_recipe(RECIPE, ["run_dir=whole"]))
    assert_close(losses(Path("run")), losses(Path("whole")))
    ours, theirs = (checkpoint(Path(name))["optimizer_states"] for name in ("run", "whole"))
    found, expected = tensors(ours), tensors(theirs)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.slow
def test_accumulated_halves_are_the_whole_batch(alone) -> None:
    """An epoch's last batch ends a window early, so six samples of a cycle of three are taken."""
    settings = ["trainer.max_steps=2", "trainer.limit_train_batches=4"]
    run.fit(load_recipe(RECIPE, ["run_dir=one", "data.batch_size=1", *settings,
                                 "trainer.accumulate_grad_batches=2"]))  # fmt: skip
    launch.run(command("lightning", "fsdp", "run_dir=two", *settings))
    one, two = (checkpoint(Path(name))["state_dict"] for name in ("one", "two"))
    for name, tensor in one.items():
        assert (two[name] - tensor).abs().max() <= 1e-4 * max(1, tensor.abs().max()), name


@pytest.mark.slow
def test_two_processes_test_every_photograph_once(alone) -> None:
    """Five photographs on two ranks: three and two."""
    settings = ["trainer.limit_test_batches=1.0", "data.eval_crop=64"]
    alone_metrics = run.test(load_recipe(RECIPE, settings))
    test = [*launch.SEGSR, "test", "-c", str(RECIPE), *settings]
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    table = launch.run([*test, *two])
    for name, value in alone_metrics.items():
        (line,) = [line for line in table.splitlines() if f" {name} " in line]
        assert float(line.split("│")[2]) == pytest.approx(value, abs=2e-4), name
