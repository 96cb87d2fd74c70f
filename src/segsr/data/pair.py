"""Photographs -> degraded pairs, as a LightningDataModule."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from segsr.batch import SCALE, Batch
from segsr.classes import CLASSES
from segsr.data.bad_files import BadFiles, OnError
from segsr.data.cached_pairs import CachedPairs, Target
from segsr.data.colour_jitter import jitter_batch
from segsr.data.datasets import EvaluationSet, Reader, Sample, TrainingSet, collate
from segsr.data.image_folder import Files, ImageFolder
from segsr.data.sampler import EvaluationSampler, PositionSampler
from segsr.data.synthesis import Synthesis
from segsr.degradation import Degradation, Pipeline
from segsr.errors import SegSRError
from segsr.seeding import generator

Stage = Literal["train", "val", "test", "predict"]


class PairDataModule(LightningDataModule):
    """HQ photographs and the LQ images made of them; or, in evaluation, the sources' own LQ images.

    LQ is synthesised per batch on the accelerator, or in the workers that read where training runs
    on the CPU. In training every sample is keyed by (seed, position in the stream), so a run
    resumed from a checkpoint, even one within an epoch, sees what the uninterrupted run would have
    seen; in evaluation by (seed, file name), so the pairs are the same for every batch size and
    number of devices.

    Args:
        train: Sources of training photographs; several are joined.
        val: Sources for validation.
        test: Sources for testing.
        predict: Sources for prediction.
        root: Folder that the sources' own roots are relative to.
        degradation: HQ to pairs; antialiased bicubic shrinking if None.
        crop_size: Side of the random training crops in HQ pixels; smaller photographs are padded by
            reflection, their masks with IGNORE_INDEX.
        batch_size: Training samples per batch and device.
        passes: Passes over the photographs that make one of Lightning's epochs. At an epoch's end
            the workers' queue runs empty: take many where a pass lasts seconds.
        num_workers: Processes that read; 0 reads in the main process.
        degrade_in_workers: Synthesise LQ in the workers also where training runs on an accelerator:
            better where there are many cores and the network is small.
        seed: Key of all randomness.
        min_scale: In training, shrink each photograph by a random factor from [min_scale, 1] first.
        flip: In training, mirror half of the photographs.
        own_lq: Train on the sources' own LQ images instead of synthesised ones.
        pairs: Folder of `segsr.data.cached_pairs`, in place of `train`: pairs that were synthesised
            beforehand and are kept on the device that trains.
        target: What is learned from those: the photograph, or a teacher's result.
        turn: Turn each batch of those by a multiple of 90 degrees.
        jitter: In training, multiply brightness, contrast and saturation of each pair by factors
            from [1 - jitter, 1 + jitter].
        eval_crop: Side of the centre crop in evaluation; None takes whole photographs, cut to
            multiples of 16.
        eval_batch_size: Batch size of evaluation; above 1 only with `eval_crop`.
        cache: Keep decoded photographs in memory. Where workers are forked, all training
            photographs are decoded once, before; elsewhere each worker has its own.
        on_error: "skip" replaces bad training files, warns of each once and counts them; "raise"
            stops. Evaluation always stops: its numbers would mean something else.
        num_classes: Classes of the masks that hold class indices; a larger index is refused.

    Raises:
        SegSRError: An argument that makes no sense; later, a folder or file that is missing or bad.
    """

    with_masks: ClassVar[bool] = False

    def __init__(
        self,
        *,
        train: Sequence[ImageFolder] = (),
        val: Sequence[ImageFolder] = (),
        test: Sequence[ImageFolder] = (),
        predict: Sequence[ImageFolder] = (),
        root: str | Path = ".",
        degradation: Degradation | None = None,
        crop_size: int = 512,
        batch_size: int = 8,
        passes: int = 1,
        num_workers: int = 0,
        degrade_in_workers: bool = False,
        seed: int = 0,
        min_scale: float | int = 1.0,
        flip: bool = True,
        own_lq: bool = False,
        pairs: str | Path | None = None,
        target: Target = "hq",
        turn: bool = False,
        jitter: float | int = 0.0,
        eval_crop: int | None = None,
        eval_batch_size: int = 1,
        cache: bool = False,
        on_error: OnError = "raise",
        num_classes: int = len(CLASSES),
    ) -> None:
        super().__init__()
        _check_side("crop_size", crop_size)
        if eval_crop is not None:
            _check_side("eval_crop", eval_crop)
        elif eval_batch_size > 1:
            raise SegSRError(
                f"eval_batch_size={eval_batch_size} needs photographs of one size: set eval_crop"
            )
        if not 0 < min_scale <= 1:
            raise SegSRError(f"min_scale must be above 0 and at most 1, got {min_scale}")
        self.sources: dict[Stage, Sequence[ImageFolder]] = {
            "train": train,
            "val": val,
            "test": test,
            "predict": predict,
        }
        self.root = Path(root)
        self.synthesis = Synthesis(degradation or Pipeline(), seed)
        self.crop_size = crop_size
        self.batch_size = batch_size
        self.passes = passes
        self.num_workers = num_workers
        self.degrade_in_workers = degrade_in_workers
        self.seed = seed
        self.min_scale = min_scale
        self.flip = flip
        self.own_lq = own_lq
        self.pairs = pairs
        self.target: Target = target
        self.turn = turn
        self.jitter = jitter
        self.eval_crop = eval_crop
        self.eval_batch_size = eval_batch_size
        self.cache = cache
        self.num_classes = num_classes
        self.bad_files = BadFiles(on_error)
        self._files: dict[Stage, list[Files]] = {}
        self._cached: CachedPairs | None = None
        self._resumed_at = {"position": 0, "batches": 0}

    def setup(self, stage: str | None = None) -> None:
        """Lists the files of a Lightning stage (fit, validate, test, predict), or of all."""
        self._resumed_at = {"position": 0, "batches": 0}  # load_state_dict comes after
        stages: dict[str | None, tuple[Stage, ...]] = {
            "fit": ("train", "val"),
            "validate": ("val",),
            "test": ("test",),
            "predict": ("predict",),
        }
        for part in stages.get(stage, ("train", "val", "test", "predict")):
            if part not in self._files and not (part == "train" and self.pairs is not None):
                self._files[part] = self._list(part)

    def teardown(self, stage: str) -> None:
        """Reports the bad files of an epoch that was not finished."""
        self.bad_files.report()

    def train_dataloader(self) -> DataLoader[Sample]:
        """Loads random crops, from where the training stands."""
        if self.pairs is not None:
            return self._pairs_loader(self.pairs)
        dataset = TrainingSet(
            self._reader("train", preload=self.num_workers > 0),
            self.crop_size,
            seed=self.seed,
            min_scale=self.min_scale,
            flip=self.flip,
            own_lq=self.own_lq,
            skip=self.bad_files.on_error == "skip",
        )
        sampler = PositionSampler(
            dataset, self.batch_size, self.position, passes=self.passes, **self._ranks()
        )
        return self._loader(dataset, sampler, self.batch_size)

    def val_dataloader(self) -> DataLoader[Sample] | list[Any]:
        """Loads the validation set; none if there is none."""
        return self._evaluation_loader("val", even=True) if self.sources["val"] else []

    def test_dataloader(self) -> DataLoader[Sample]:
        """Loads the test set."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> DataLoader[Sample]:
        """Loads the prediction set."""
        return self._evaluation_loader("predict")

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int = 0) -> Batch:
        """A batch of bytes as `segsr.batch` describes it, on the same device.

        Raises:
            SegSRError: A file was bad and bad files are not to be skipped.
        """
        training = "position" in batch
        if self._cached is not None and training and "name" not in batch:
            batch = self._cached.batch(batch["position"])
        complaints = batch.get("complaints", [])
        (self.bad_files if training and "name" in batch else BadFiles()).meet(complaints)
        if training and self.trainer is not None and self.trainer.is_last_batch:
            self.bad_files.report()

        batch = self.synthesis(batch)
        result = Batch(lq=batch["lq"], name=batch["name"])
        if "hq" in batch:
            result["hq"] = batch["hq"]
        if "mask" in batch:
            result["mask"] = batch["mask"].long()
        if training and self.jitter:
            jitter_batch(result, self.jitter, self.seed, batch["position"])
        return result

    def position(self) -> int:
        """The first position of the training stream that no rank has been trained on.

        Lightning counts the batches that went through a training step, whatever the workers have
        read ahead, and restores that count with a checkpoint before it asks for a loader.
        """
        if self.trainer is None:
            return self._resumed_at["position"]
        batches = self._batches() - self._resumed_at["batches"]
        return self._resumed_at["position"] + batches * self.batch_size * self.trainer.world_size

    def state_dict(self) -> dict[str, int]:
        """Where the training stands; Lightning puts it into every checkpoint.

        In samples, so that a run can go on with another batch size or number of devices.
        """
        return {"position": self.position(), "batches": self._batches()}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Goes on from where `state_dict` was taken."""
        self._resumed_at = dict(state_dict)
        # Lightning cannot see that this loader resumes, since its state is kept here
        warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before")

    def _pairs_loader(self, folder: str | Path) -> DataLoader[Sample]:
        cached = CachedPairs(
            self.root / folder,
            crop_size=self.crop_size,
            target=self.target,
            seed=self.seed,
            flip=self.flip,
            turn=self.turn,
        )
        if self.with_masks and "mask" not in cached.tensors:
            raise SegSRError(f"training needs masks, but the pairs of {folder} come without")
        if self.trainer is not None:
            cached.to(self.trainer.strategy.root_device)
        self._cached = cached
        sampler = PositionSampler(
            cached, self.batch_size, self.position, passes=self.passes, **self._ranks()
        )
        loader: DataLoader[Any] = DataLoader(
            cached,
            self.batch_size,
            sampler=sampler,
            collate_fn=cached.collate,
            generator=generator(self.seed, "loader"),
        )
        return loader

    def _batches(self) -> int:
        """Batches a rank has been trained on, over all epochs and interruptions."""
        if self.trainer is None:
            return 0
        total: Any = self.trainer.fit_loop.epoch_loop.batch_progress.total
        return int(total.processed)

    def _list(self, stage: Stage) -> list[Files]:
        files = [
            replace(file, num_classes=self.num_classes)
            for source in self.sources[stage]
            for file in source.files(self.root)
        ]
        if not self.with_masks:
            files = [replace(file, mask=None, unknown=False) for file in files]
        elif stage == "train" and (
            bare := next((f for f in files if f.mask is None and not f.unknown), None)
        ):
            raise SegSRError(
                f"training needs masks, but {bare.image.parent} comes without: set masks to the "
                "folder of its labels, or unknown=true"
            )
        if (
            stage == "train"
            and self.own_lq
            and (bare := next((f for f in files if f.lq is None), None))
        ):
            raise SegSRError(
                f"own_lq=true trains on LQ images, but {bare.image.parent} comes without: set lq to"
                " their folder"
            )
        if stage == "train" and (bad := next((f for f in files if f.lq_only), None)):
            raise SegSRError(
                f"training needs photographs of high quality, but {bad.image.parent} is a source "
                "with lq_only=true: take it for predict"
            )
        if stage != "train" or self.bad_files.on_error == "raise":
            for file in files:
                file.check()
        return files

    def _reader(self, stage: Stage, *, preload: bool = False) -> Reader:
        if stage not in self._files:
            self._files[stage] = self._list(stage)
        if not self._files[stage]:
            raise SegSRError(f"no photographs to {stage} on: set data.{stage} to a list of folders")
        reader = Reader(self._files[stage], cache=self.cache)
        if preload and self.cache and torch.multiprocessing.get_start_method() == "fork":
            reader.preload()
        return reader

    def _evaluation_loader(self, stage: Stage, *, even: bool = False) -> DataLoader[Sample]:
        dataset = EvaluationSet(self._reader(stage), crop=self.eval_crop)
        sampler = EvaluationSampler(dataset, even=even, **self._ranks())
        return self._loader(dataset, sampler, self.eval_batch_size)

    def _loader(
        self, dataset: Dataset[Sample], sampler: torch.utils.data.Sampler[int], batch_size: int
    ) -> DataLoader[Sample]:
        on_cpu = self.trainer is None or self.trainer.strategy.root_device.type == "cpu"
        in_workers = self.num_workers > 0 and (on_cpu or self.degrade_in_workers)
        return DataLoader(
            dataset,
            batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=self._collate_and_degrade if in_workers else collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
            generator=generator(self.seed, "loader"),  # the global one stays as it is
        )

    def _collate_and_degrade(self, samples: Sequence[Sample]) -> dict[str, Any]:
        return self.synthesis(collate(samples))

    def _ranks(self) -> dict[str, int]:
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}


def _check_side(name: str, side: int) -> None:
    if side < 1 or side % SCALE:
        raise SegSRError(
            f"{name} must be a positive multiple of {SCALE}, got {side}: "
            f"take {max(SCALE, side - side % SCALE)}"
        )
