from __future__ import annotations

import json

import launch
import numpy as np
import pytest
import tiny
import torch
from lightning import Trainer
from PIL import Image

from segsr.data import ImageFolder, MaskedPairDataModule
from segsr.evaluation.records import read_records
from segsr.evaluation.write_test import WriteTest


@pytest.fixture
def data(tmp_path):
    draw = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(3):
        image = draw.integers(0, 256, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        mask = np.full((64, 64), i, np.uint8)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    source = ImageFolder(tmp_path, "images", "masks")
    return MaskedPairDataModule(test=[source], eval_crop=64, eval_batch_size=2)


def run_test(model, data, folder):
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    trainer = Trainer(
        **options, callbacks=[WriteTest(folder)], use_distributed_sampler=False, devices=1
    )
    return trainer.test(model, data, verbose=False)[0]


def test_a_joint_model_leaves_images_masks_records_and_tables(data, tmp_path):
    folder = tmp_path / "out"
    for _ in range(2):  # a second test in the same folder counts nothing twice
        torch.manual_seed(0)
        metrics = run_test(tiny.joint().eval(), data, folder)
    assert {path.name for path in folder.glob("*.png")} == {
        *(f"{i}.png" for i in range(3)),
        *(f"{i}_mask.png" for i in range(3)),
    }
    records = [json.loads(line) for line in (folder / "restored.jsonl").read_text().splitlines()]
    assert [record["name"] for record in records] == ["0", "1", "2"]
    mean = np.mean([record["values"]["psnr"] for record in records])
    assert mean == pytest.approx(metrics["test/restored_psnr"], abs=1e-3)
    bicubic = [json.loads(line) for line in (folder / "bicubic.jsonl").read_text().splitlines()]
    mean = np.mean([record["values"]["psnr"] for record in bicubic])
    assert mean == pytest.approx(metrics["test/bicubic_psnr"], abs=1e-3)
    table = (folder / "table.md").read_text()
    assert "3 images" in table
    assert "restored minus bicubic" in table
    assert not list(folder.glob(".*.jsonl"))


def test_a_model_of_masks_alone(data, tmp_path):
    run_test(tiny.segdm().eval(), data, tmp_path / "out")
    assert not (tmp_path / "out" / "0.png").exists()
    assert (tmp_path / "out" / "0_mask.png").exists()
    assert "mask mIoU" in (tmp_path / "out" / "table.md").read_text()
    assert not (tmp_path / "out" / "bicubic.jsonl").exists()


@pytest.mark.slow
def test_two_processes_count_every_photograph_once(tmp_path):
    found = {}
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        options = ["trainer.precision=32-true", "trainer.enable_progress_bar=false"]
        strategy = [f"trainer.devices={devices}", "trainer.strategy=ddp"] if devices > 1 else []
        launch.run([*launch.SEGSR, "test", f"run_dir={folder}", *options, *strategy])
        found[devices] = read_records(folder / "test" / "restored.jsonl")
    assert list(found[2]) == list(found[1])
    assert len(found[2]) == 5
    for name, record in found[1].items():
        assert found[2][name].values["psnr"] == pytest.approx(record.values["psnr"], abs=1e-4)
        assert found[2][name].values["masks"] == record.values["masks"]
