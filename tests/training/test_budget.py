"""A budget ends a stage and shapes its rate."""

import math

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from segsr.errors import SegSRError
from segsr.training.budget import Budget


class Rates(BoringModel):
    """Keeps the rate of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = []

    def training_step(self, batch, batch_index):
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return super().training_step(batch, batch_index)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(folder, budget, **options) -> tuple[Rates, Trainer]:
    model = Rates()
    trainer = Trainer(
        max_steps=-1, max_epochs=-1, accelerator="cpu", callbacks=[budget], logger=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        default_root_dir=folder, enable_checkpointing=False, **options,
    )  # fmt: skip
    trainer.fit(model)
    return model, trainer


def test_steps(tmp_path) -> None:
    model, trainer = train(tmp_path, Budget(steps=10, warmup=2, hold=0.5, floor=0.1))
    assert trainer.global_step == 10
    falling = [0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * x)) for x in (0.2, 0.4, 0.6, 0.8)]
    expected = [0.05, 0.1, 0.1, 0.1, 0.1, 0.1, *(0.1 * f for f in falling)]
    assert model.rates == pytest.approx(expected)


def test_minutes(tmp_path, monkeypatch) -> None:
    budget = Budget(minutes=1, warmup=0)
    now = iter(range(0, 10_000, 3))
    monkeypatch.setattr(budget, "time_elapsed", lambda stage="train": float(next(now)))
    model, _ = train(tmp_path, budget)
    assert len(model.rates) <= 11  # the clock is read twice a step
    assert model.rates[0] == pytest.approx(0.1, rel=0.01)  # three seconds of sixty are gone
    assert model.rates[-1] < 0.02


@pytest.mark.parametrize("options", [{}, {"minutes": 1, "steps": 1}, {"steps": 0}, {"minutes": -1}])
def test_what_is_no_budget(options) -> None:
    with pytest.raises(SegSRError, match="budget"):
        Budget(**options)
