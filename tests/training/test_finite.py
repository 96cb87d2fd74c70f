"""A training that diverges stops with one sentence and loses nothing."""

import re
import subprocess
import sys
from pathlib import Path

import launch
import pytest
import torch
from lightning import LightningModule, Trainer
from saved import checkpoint, tensors
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from segsr.checkpoints.state_dict import not_finite
from segsr.cli import main, run
from segsr.config import load_recipe
from segsr.errors import DivergenceError
from segsr.training.finite import StopIfDiverged

TESTS = Path(__file__).parents[1]
RECIPE = TESTS / "support" / "tiny.yaml"
POISON = "+trainer.callbacks.poison={{_target_: poison_parts.{}}}"
EVERY_STEP = "trainer.callbacks.checkpoint.every_n_train_steps=1"


@pytest.fixture(autouse=True)
def _alone(alone, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(TESTS / "training")])


def fit(folder: str, *overrides: str) -> None:
    run.fit(load_recipe(RECIPE, [f"run_dir={folder}", EVERY_STEP, *overrides]))


def assert_nothing_lost(folder: Path) -> dict:
    saved = checkpoint(folder)
    assert tensors(saved["state_dict"])
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        assert not not_finite(tensors(saved[part]))
    assert not (folder / "weights").exists()
    return saved


def test_a_senseless_learning_rate_stops_the_run_and_leaves_the_output_alone(capsys) -> None:
    arguments = ["run_dir=x", "model.optimizer.lr=1e9", EVERY_STEP, "trainer.max_steps=12"]
    assert main(["fit", "-c", str(RECIPE), "~model.schedule", *arguments]) == 2
    (sentence,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("segsr:")]
    found = re.search(
        r"stopped at step (\d+), where \w+ is (nan|inf), at a learning rate of 1e\+09, with the "
        r"samples \w+\.\w+#?\S*, \S+: lower model\.optimizer\.lr",
        sentence,
    )
    assert found, sentence
    assert assert_nothing_lost(Path("x"))["global_step"] == int(found[1]) - 1


def test_a_photograph_that_breaks_the_loss_is_named_among_those_of_its_batch() -> None:
    poison = POISON.format("PoisonPhotos, batches: [1]")
    with pytest.raises(DivergenceError, match=r"at step 2, where image_loss is nan, .*, with"):
        fit("run", poison, "trainer.accumulate_grad_batches=2")
    assert assert_nothing_lost(Path("run"))["global_step"] == 1


def test_a_gradient_may_be_what_is_not_finite() -> None:
    with pytest.raises(DivergenceError, match=r"at step 1, where the gradient of \S+ is not"):
        fit("run", POISON.format("PoisonGradient"))
    assert not list(Path("run").rglob("*.ckpt"))


def test_steps_are_left_out_on_request_and_change_nothing() -> None:
    skip = "trainer.callbacks.finite.skip=2"
    fit("whole", skip, "trainer.max_steps=1")
    fit("run", skip, "trainer.max_steps=3", POISON.format("PoisonPhotos, batches: [1,2]"))
    ours, theirs = (checkpoint(Path(f))["current_model_state"] for f in ("run", "whole"))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    with pytest.raises(DivergenceError, match="at step 5, "):
        fit("more", skip, POISON.format("PoisonPhotos, batches: [0,2,3,4]"))


class Normed(LightningModule):
    """A network with running statistics; its second batch of four is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))

    def training_step(self, batch, batch_idx):
        return self.net(batch[0]).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self):
        rows = torch.arange(48.0).view(16, 3).sin()
        rows[4:8] = torch.nan
        return DataLoader(TensorDataset(rows), batch_size=4)


def test_running_statistics_are_put_back_with_a_step_left_out() -> None:
    model = Normed()
    Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, callbacks=[StopIfDiverged(skip=1)]).fit(model)  # fmt: skip
    assert not not_finite(model.state_dict())
    assert int(model.net[0].num_batches_tracked) == 3


def test_weights_that_are_not_finite_are_never_saved() -> None:
    with pytest.raises(DivergenceError, match=r"after step 2, whose weights are not finite, "):
        fit("run", POISON.format("PoisonWeights, step: 2"))
    assert assert_nothing_lost(Path("run"))["global_step"] == 1


def test_weights_that_are_not_finite_are_never_exported() -> None:
    output = Path("model")
    output.mkdir()
    with pytest.raises(DivergenceError, match=r"model was left as it is, .*, first \S+: low"):
        fit("run", POISON.format("PoisonWeights, step: 6"), "trainer.callbacks.checkpoint=null",
            "trainer.callbacks.ema=null", f"output={output}")  # fmt: skip
    assert not list(output.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_stop_together(strategy) -> None:
    two = [f"trainer={strategy}", "trainer.accelerator=cpu", "trainer.devices=2", "run_dir=run"]
    settings = ["data.batch_size=1", "trainer.accumulate_grad_batches=1", EVERY_STEP]
    poison = POISON.format("PoisonPhotos, batches: [2], rank: 1")
    done = subprocess.run(
        [*launch.SEGSR, "fit", "-c", str(RECIPE), *two, *settings, poison],
        env=launch.environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 2, done.stderr[-3000:]
    told = [line for line in done.stderr.splitlines() if line.startswith("segsr:")]
    assert len(told) == 1, done.stderr[-3000:]
    assert "at step 3, where image_loss is nan" in told[0]
    assert len(told[0].partition("samples ")[2].partition(":")[0].split(", ")) == 1  # rank one's
    assert assert_nothing_lost(Path("run"))["global_step"] == 2
