"""A run that was interrupted sees what it would have seen."""

from __future__ import annotations

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from segsr.data import ImageFolder, PairDataModule


class Witness(LightningModule):
    """Writes down each batch's names and LQ pixels; the gradient is the mean of LQ."""

    def __init__(self, die_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.die_at = die_at
        self.seen: list[tuple[list[str], float]] = []

    def training_step(self, batch, batch_index):
        if len(self.seen) == self.die_at:
            raise RuntimeError("killed")
        assert "position" not in batch
        self.seen.append((batch["name"], float(batch["lq"].double().sum())))
        return self.weight * batch["lq"].mean()

    def validation_step(self, batch, batch_index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def run(tmp_path, folder, ckpt=None, *, save, die_at=None, num_workers=0, **trainer):
    """A witness of the training, and its last checkpoint."""
    data = PairDataModule(
        root=folder,
        train=[ImageFolder(images="images")],
        val=[ImageFolder(images="images")],
        crop_size=16,
        batch_size=3,
        num_workers=num_workers,
        seed=5,
    )
    checkpoint = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{step}", **save)
    fit = Trainer(
        accelerator="cpu",
        callbacks=[checkpoint],
        limit_val_batches=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **trainer,
    )
    witness = Witness(die_at)
    try:
        fit.fit(witness, datamodule=data, ckpt_path=ckpt, weights_only=True)
    except RuntimeError as error:
        assert str(error) == "killed"  # noqa: PT017
    return witness, checkpoint.best_model_path


# Seven photographs in batches of three: Lightning's epochs have three batches. Accumulating two of
# them makes two steps an epoch, the second of one batch.
@pytest.mark.parametrize(
    ("settings", "killed_after", "saved_after"),
    [
        ({"max_steps": 7, "save": {"every_n_train_steps": 2}}, 5, 4),
        ({"max_steps": 7, "save": {"every_n_train_steps": 2}, "num_workers": 2}, 5, 4),
        ({"max_steps": 7, "save": {"every_n_train_steps": 3}}, 5, 3),
        ({"max_epochs": 3, "save": {"every_n_train_steps": 2}}, 5, 4),
        ({"max_epochs": 3, "save": {"every_n_train_steps": 3}}, 5, 3),
        ({"max_epochs": 3, "save": {"every_n_epochs": 1}}, 4, 3),
        (
            {"max_steps": 6, "save": {"every_n_train_steps": 3}, "accumulate_grad_batches": 2},
            6,
            5,
        ),
        (
            {
                "max_steps": 6,
                "save": {"every_n_train_steps": 3},
                "accumulate_grad_batches": 2,
                "num_workers": 2,
            },
            7,
            5,
        ),
    ],
)
@pytest.mark.filterwarnings("error:You're resuming", "ignore:Checkpoint directory")
def test_an_interrupted_run_goes_on_to_the_bit(
    tmp_path, folder, settings, killed_after, saved_after
):
    whole, _ = run(tmp_path / "whole", folder, **{**settings, "num_workers": 0})
    killed, checkpoint = run(tmp_path / "parts", folder, die_at=killed_after, **settings)
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["PairDataModule"] == {"position": 3 * saved_after, "batches": saved_after}

    resumed, _ = run(tmp_path / "parts", folder, checkpoint, **settings)
    assert killed.seen == whole.seen[:killed_after]
    assert resumed.seen == whole.seen[saved_after:]
    assert torch.equal(resumed.weight, whole.weight)
