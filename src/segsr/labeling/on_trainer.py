"""Shards labelled by Lightning: on one device, or by a process for each of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, IterableDataset

from segsr.labeling.base import Labeler
from segsr.labeling.label_shard import OnPhoto, Settings, label_shard
from segsr.labeling.shards import Shard, write_record


class OnTrainer:
    """Labels with `Trainer.predict`; every process takes each `world_size`-th shard.

    Args:
        trainer: Says on what (`accelerator`, `devices`, `num_nodes`) and how precisely.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def __call__(
        self,
        make_labeler: Callable[[], Labeler],
        shards: Sequence[Shard],
        settings: Settings,
        on_photo: OnPhoto,
    ) -> None:
        """Label `shards` and record each that was gone through; returns when all processes did.

        Args:
            make_labeler: Makes the labeler, once in each process.
            shards: What to label.
            settings: How and where to.
            on_photo: Is told of the photographs of this process.

        Raises:
            SegSRError: If nothing can be written.
        """
        module = _Predict(make_labeler(), self.share(shards), settings, on_photo)
        self.trainer.predict(module, return_predictions=False)
        self.trainer.strategy.barrier()

    def share(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return each `world_size`-th of `shards`, from the number of this process on."""
        return shards[self.trainer.global_rank :: self.trainer.world_size]


class _Predict(LightningModule):
    """Labels a shard a step."""

    def __init__(
        self, labeler: Labeler, shards: Sequence[Shard], settings: Settings, on_photo: OnPhoto
    ) -> None:
        super().__init__()
        self.labeler = labeler
        self.shards = shards
        self.settings = settings
        self.on_photo = on_photo

    def predict_dataloader(self) -> DataLoader[Shard]:
        return DataLoader(_Stream(self.shards), batch_size=None)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return batch  # a shard is a list of names

    def predict_step(self, shard: Shard) -> int:
        record = label_shard(
            self.labeler, shard, self.settings, device=self.device, on_photo=self.on_photo
        )
        write_record(shard, self.settings.output, record)
        return shard.index  # Lightning warns of a step without a result


class _Stream(IterableDataset[Shard]):
    """The shards of one process; a stream, since Lightning would share a list out once more."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards

    def __iter__(self) -> Iterator[Shard]:
        return iter(self.shards)
