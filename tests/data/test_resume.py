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


def run(tmp_path, folder, *, steps, accumulate, workers, die_at=None, ckpt=None, every=2, **trainer):
    """A witness of the training, and the path of its last checkpoint."""
    data = PairDataModule(
        root=folder,
        train=[ImageFolder(images="images")],
        val=[ImageFolder(images="images")],
        crop_size=16,
        batch_size=3,
        num_workers=workers,
        seed=5,
    )
    checkpoint = ModelCheckpoint(
        tmp_path / "ckpt", every_n_train_steps=every, save_top_k=-1, filename="{step}"
    )
    fit = Trainer(
        accelerator="cpu",
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        callbacks=[checkpoint],
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
    return witness, checkpoint.last_model_path or checkpoint.best_model_path


# Seven photographs in batches of three: an epoch of Lightning's is three batches.
@pytest.mark.parametrize(
    ("workers", "accumulate", "killed_after", "saved_after"),
    [
        (0, 1, 5, 4),  # within the second epoch
        (0, 1, 7, 6),  # a checkpoint at the very end of an epoch
        (0, 2, 5, 5),  # an epoch of three batches makes two steps: 2 + 1
        (2, 1, 5, 4),
        (2, 2, 7, 5),
    ],
)
def test_an_interrupted_run_goes_on_to_the_bit(
    tmp_path, folder, workers, accumulate, killed_after, saved_after
):
    settings = {"accumulate": accumulate, "workers": workers}
    steps = 8
    whole, _ = run(tmp_path / "whole", folder, steps=steps, **settings)
    killed, checkpoint = run(
        tmp_path / "parts", folder, steps=steps, die_at=killed_after, **settings
    )
    resumed, _ = run(tmp_path / "parts", folder, steps=steps, ckpt=checkpoint, **settings)
    saved = torch.load(checkpoint, weights_only=True)
    print(len(whole.seen), len(killed.seen), len(resumed.seen), saved["PairDataModule"], checkpoint)
    assert saved["PairDataModule"] == {"position": 3 * saved_after, "batches": saved_after}
    assert killed.seen == whole.seen[:killed_after]
    assert resumed.seen == whole.seen[saved_after:]
    assert torch.equal(resumed.weight, whole.weight)
