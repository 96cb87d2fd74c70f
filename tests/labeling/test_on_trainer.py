from __future__ import annotations

import pytest
from label_command import BY_BATCH, label, masks_of, photos_of_two_sizes
from launch import SEGSR, run


@pytest.fixture
def photos(tmp_path, picture):
    return photos_of_two_sizes(tmp_path / "photos", picture)


@pytest.fixture
def recipe(write):
    return write("by_batch.yaml", BY_BATCH)


@pytest.mark.slow
def test_two_processes_share_the_shards(photos, recipe, tmp_path):
    label(photos, tmp_path / "one", recipe)
    out = tmp_path / "two"
    command = [*SEGSR, "label", str(photos), "-o", str(out), "-c", str(recipe)]
    devices = ["accelerator=cpu", "devices=2", "strategy=ddp"]
    printed = run([*command, *(f"executor.trainer.{each}" for each in devices)])
    assert masks_of(out) == masks_of(tmp_path / "one")
    assert printed.count("share of the pixels") == 1
    assert len(list((out / "shards").iterdir())) == 3
    run([*command, *(f"executor.trainer.{each}" for each in devices)])  # nothing left for either
