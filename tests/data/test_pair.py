from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.data import ImageFolder, MaskedPairDataModule, PairDataModule
from segsr.data.sampler import index_at
from segsr.degradation import Jpeg, Noise, Pipeline, Shrink
from segsr.errors import SegSRError
from segsr.seeding import generator

NOISY = Pipeline(
    {"shrink": Shrink(), "noise": Noise((5, 30)), "jpeg": Jpeg((30, 90))}, sharpen_hq=True
)
MASKED = ImageFolder(images="images", masks="labels", class_map={0: 0, 1: 33})


def batches(data, loader):
    return [data.on_after_batch_transfer(batch) for batch in loader]


def pairs(data, loader):
    return {
        name: lq
        for batch in batches(data, loader)
        for name, lq in zip(batch["name"], batch["lq"], strict=True)
    }


def test_training_batches_follow_the_glossary(folder):
    data = MaskedPairDataModule(root=folder, train=[MASKED], crop_size=32, batch_size=4)
    data.setup("fit")
    first, second = batches(data, data.train_dataloader())
    assert sorted(first) == ["hq", "lq", "mask", "name"]
    assert first["hq"].shape == (4, 3, 32, 32)
    assert first["lq"].shape == (4, 3, 8, 8)
    for key in ("hq", "lq"):
        assert first[key].dtype == torch.float32
        assert 0 <= first[key].min() <= first[key].max() <= 1
    assert first["mask"].dtype == torch.int64
    assert first["mask"].unique().tolist() == [0, 33, IGNORE_INDEX]
    assert len({*first["name"], *second["name"]}) == 7  # eight positions, seven files


def test_pairs_come_without_masks(folder):
    data = PairDataModule(root=folder, train=[MASKED], val=[MASKED], crop_size=32)
    assert "mask" not in next(iter(batches(data, data.train_dataloader())))
    assert "mask" not in next(iter(batches(data, data.val_dataloader())))


def test_degradation_is_the_recipes_on_the_samples_own_generators(folder):
    source = ImageFolder(images="images")
    data = PairDataModule(root=folder, val=[source], seed=4, degradation=NOISY)
    batch = batches(data, data.val_dataloader())[2]
    photo = list(data.val_dataloader())[2]["hq"].float() / 255
    hq, lq = NOISY(photo, [generator(4, "degrade", "photo.2.png")])
    assert torch.equal(batch["hq"], hq)
    assert torch.equal(batch["lq"], lq)


@pytest.mark.parametrize("stage", ["train", "val"])
def test_workers_degrade_as_the_main_process_does(folder, stage):
    def data(**options):
        return PairDataModule(
            root=folder, train=[MASKED], val=[MASKED], crop_size=32, degradation=NOISY, **options
        )

    def loader(module):
        return getattr(module, f"{stage}_dataloader")()

    here = data()
    expected = batches(here, loader(here))
    assert all(batch["hq"].dtype == torch.uint8 for batch in loader(here))
    for workers in (1, 2):
        there = data(num_workers=workers)
        raw = list(loader(there))
        assert all(batch["lq"].is_floating_point() for batch in raw)  # degraded in the worker
        for one, batch in zip(expected, raw, strict=True):
            other = there.on_after_batch_transfer(batch)
            assert one["name"] == other["name"]
            assert torch.equal(one["hq"], other["hq"])
            assert torch.equal(one["lq"], other["lq"])


def test_evaluation_pairs_do_not_depend_on_the_batch(folder):
    sources = {"test": [ImageFolder(images="images")], "root": folder, "eval_crop": 32}
    alone, together = (
        PairDataModule(**sources, eval_batch_size=1),
        PairDataModule(**sources, eval_batch_size=4, num_workers=1),
    )
    expected = pairs(alone, alone.test_dataloader())
    actual = pairs(together, together.test_dataloader())
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_several_sources_are_joined(folder, picture):
    picture(folder / "more/another.png", 64, 64)
    data = PairDataModule(
        root=folder,
        test=[ImageFolder(images="images"), ImageFolder("more")],
        degradation=Pipeline(),
    )
    found = batches(data, data.test_dataloader())
    assert [batch["name"] for batch in found[6:]] == [["photo.6.png"], ["another.png"]]
    assert [tuple(batch["hq"].shape) for batch in found[6:]] == [(1, 3, 32, 48), (1, 3, 64, 64)]


def test_lq_from_disk_is_left_as_it_is(tmp_path, picture):
    picture(tmp_path / "hr/a.png", 48, 32)
    lq = np.asarray(Image.open(picture(tmp_path / "lr/a.png", 12, 8)))
    data = PairDataModule(root=tmp_path, test=[ImageFolder(images="hr", lq="lr")])
    (batch,) = batches(data, data.test_dataloader())
    assert np.array_equal((batch["lq"][0] * 255).permute(1, 2, 0).numpy(), lq)


def test_a_cache_changes_nothing_and_reads_once(folder, monkeypatch):
    settings = {"root": folder, "train": [MASKED], "crop_size": 16, "min_scale": 0.5}
    expected = batches(*(d := PairDataModule(**settings), d.train_dataloader()))
    data = PairDataModule(**settings, cache=True)
    loader = data.train_dataloader()
    batches(data, loader)
    monkeypatch.setattr("segsr.data.datasets.read_sample", None)
    for one, other in zip(expected, batches(data, loader), strict=True):
        assert torch.equal(one["lq"], other["lq"])


def test_a_bad_file_stops_the_training_in_one_sentence(folder):
    for i in range(7):
        (folder / f"images/photo.{i}.png").write_bytes(b"garbage")
    data = PairDataModule(root=folder, train=[ImageFolder(images="images")], num_workers=1)
    with pytest.raises(SegSRError) as caught:
        batches(data, data.train_dataloader())
    assert "is not a readable image" in str(caught.value)
    assert "\n" not in str(caught.value)  # although it came from a worker process


class Looker(LightningModule):
    """Writes down the names it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen: list[list[str]] = []

    def training_step(self, batch, batch_index):
        self.seen.append(batch["name"])
        return self.weight * batch["lq"].mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters())


def test_bad_files_are_replaced_and_counted(folder, caplog):
    (folder / "images/photo.2.png").write_bytes(b"garbage")
    (folder / "labels/photo.5.png").unlink()
    data = MaskedPairDataModule(
        root=folder, train=[MASKED], crop_size=16, batch_size=4, on_error="skip"
    )
    model = Looker()
    with caplog.at_level(logging.WARNING, logger="segsr"):
        Trainer(
            accelerator="cpu",
            max_epochs=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(model, datamodule=data)
    assert [len(names) for names in model.seen] == [4] * 4
    assert {name for names in model.seen for name in names} == {
        f"photo.{i}.png" for i in (0, 1, 3, 4, 6)
    }
    # Of the 16 positions the first 14 are two permutations
    bad = [index_at(0, position, 7) in (2, 5) for position in range(16)]
    warnings = [r.getMessage() for r in caplog.records if r.name == "segsr.data.bad_files"]
    assert sorted(w for w in warnings if w.startswith("skipped")) == [
        f"skipped: {folder}/images/photo.2.png is not a readable image (cannot identify image file "
        f"'{folder}/images/photo.2.png'): convert it to PNG or JPEG, or replace it",
        f"skipped: {folder}/images/photo.5.png has no mask: add {folder}/labels/photo.5.png, "
        "or list the images to take in a split",
    ]
    assert [w for w in warnings if not w.startswith("skipped")] == [
        f"bad files were met and replaced {sum(half)} times in this epoch; 2 files are bad so far"
        for half in (bad[:8], bad[8:])
    ]


def test_where_no_file_is_left_training_stops(folder):
    for i in range(7):
        (folder / f"images/photo.{i}.png").write_bytes(b"garbage")
    data = PairDataModule(root=folder, train=[ImageFolder(images="images")], on_error="skip")
    with pytest.raises(SegSRError, match="is not a readable image"):
        batches(data, data.train_dataloader())


def test_evaluation_never_skips(folder):
    (folder / "images/photo.2.png").write_bytes(b"garbage")
    data = PairDataModule(root=folder, test=[ImageFolder(images="images")], on_error="skip")
    with pytest.raises(SegSRError, match=r"photo.2.png is not a readable image"):
        batches(data, data.test_dataloader())


def test_a_missing_mask_is_found_before_training(folder):
    (folder / "labels/photo.5.png").unlink()
    with pytest.raises(SegSRError, match=r"photo\.5\.png has no mask"):
        MaskedPairDataModule(root=folder, train=[MASKED]).setup("fit")


def test_training_with_masks_needs_masks(folder):
    data = MaskedPairDataModule(root=folder, train=[ImageFolder(images="images")])
    with pytest.raises(SegSRError, match=r"training needs masks, but .*images comes without"):
        data.setup("fit")


def test_the_position_is_kept_in_samples(folder):
    data = PairDataModule(root=folder, train=[ImageFolder(images="images")], batch_size=2)
    data.setup("fit")
    data.load_state_dict({"position": 12, "batches": 4})  # of three each
    assert data.position() == 12
    assert list(data.train_dataloader().sampler) == list(range(12, 20))


def test_a_stage_without_sources(folder):
    data = PairDataModule(root=folder)
    data.setup()
    assert data.val_dataloader() == []
    with pytest.raises(SegSRError, match=r"no photographs to train on: set data\.train"):
        data.train_dataloader()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crop_size": 50}, "crop_size must be a positive multiple of 4, got 50: take 48"),
        ({"eval_crop": 0}, "eval_crop"),
        ({"eval_batch_size": 2}, "set eval_crop"),
        ({"min_scale": 1.5}, "min_scale must be above 0 and at most 1"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(SegSRError, match=message):
        PairDataModule(**arguments)
