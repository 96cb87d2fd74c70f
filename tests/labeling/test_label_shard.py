from __future__ import annotations

import numpy as np
import pytest
import torch
from labelers import ByBatch, ByColour
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.mask import read_mask
from segsr.files.pixels import read_image
from segsr.labeling.base import label
from segsr.labeling.label_shard import KEPT, MADE, Settings, label_shard
from segsr.labeling.photos import find_photos_to_label
from segsr.labeling.shards import Shard


@pytest.fixture
def photos(tmp_path, picture):
    """Five photographs of 20 x 12 and three of 12 x 20, alternately."""
    folder = tmp_path / "photos"
    for i in range(8):
        tall = i % 2 and i < 6
        picture(folder / f"{i}.png", *((12, 20) if tall else (20, 12)))
    return folder


def shard_of(folder):
    return Shard(0, tuple(find_photos_to_label(folder).items))


def outcomes_of(labeler, folder, settings):
    heard = {}
    record = label_shard(
        labeler,
        shard_of(folder),
        settings,
        on_photo=lambda item, outcome: heard.update({item.photo.name: outcome}),
    )
    return record, heard


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_masks_are_those_of_the_labeler(photos, tmp_path):
    out = tmp_path / "masks"
    record, heard = outcomes_of(ByColour(), photos, Settings(out, tmp_path / "sure", 3, 0.6))
    assert heard == dict.fromkeys((f"{i}.png" for i in range(8)), MADE)
    values = torch.zeros(256, dtype=torch.long)
    for photo in photos.iterdir():
        image = read_image(photo)[None] / 255
        expected = label(ByColour(), image, threshold=0.6)
        mask = read_mask(out / photo.name)
        assert torch.equal(mask, expected.masks[0])
        assert IGNORE_INDEX in mask
        sure = np.asarray(Image.open(tmp_path / "sure" / photo.name))
        assert np.array_equal(sure, image[0].max(0).values.mul(255).round())
        values += torch.bincount(mask.flatten(), minlength=256)
    assert record.made == record.photos == 8
    assert record.pixels == {i: n for i, n in enumerate(values.tolist()) if n}


@pytest.mark.parametrize(
    ("batch_size", "size", "expected"),
    [(8, (512, 512), 8), (8, (1024, 1024), 8), (8, (2048, 1024), 4), (8, (9000, 9000), 1)],
)
def test_large_photographs_come_in_smaller_batches(tmp_path, batch_size, size, expected):
    assert Settings(tmp_path, batch_size=batch_size).batch_of(size) == expected


def test_batches_do_not_depend_on_what_is_there(photos, tmp_path):
    settings = Settings(tmp_path / "whole", batch_size=3)
    label_shard(ByBatch(), shard_of(photos), settings)
    whole = contents(tmp_path / "whole")
    drawn = {read_mask(tmp_path / "whole" / name).unique().item() for name in whole}
    assert drawn == {30, 31, 32, 20, 21}  # one batch of three of either kind, one of two
    out = tmp_path / "part"
    out.mkdir()
    for name in ("1.png", "2.png", "7.png"):
        (out / name).write_bytes(whole[name])
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    record, heard = outcomes_of(ByBatch(), photos, Settings(out, batch_size=3))
    assert contents(out) == whole
    assert {name for name, outcome in heard.items() if outcome == KEPT} == set(times)
    assert {name: (out / name).stat().st_mtime_ns for name in times} == times
    assert record.made == 5
    assert sum(record.pixels.values()) == 8 * 240


def test_masks_stay_where_only_confidence_is_missing(photos, tmp_path):
    settings = Settings(tmp_path / "masks", batch_size=2)
    label_shard(ByColour(), shard_of(photos), settings)
    times = {path: path.stat().st_mtime_ns for path in settings.output.iterdir()}
    more = Settings(settings.output, tmp_path / "sure", batch_size=2)
    label_shard(ByColour(), shard_of(photos), more)
    assert {path: path.stat().st_mtime_ns for path in settings.output.iterdir()} == times
    assert len(list((tmp_path / "sure").iterdir())) == 8


def test_bad_photographs_fail_alone(photos, tmp_path, picture):
    (photos / "0.png").write_bytes(b"no image")
    whole = (photos / "2.png").read_bytes()
    (photos / "2.png").write_bytes(whole[: len(whole) // 2])
    picture(photos / "9.png", 16, 16)
    record, heard = outcomes_of(ByColour(refuse=16), photos, Settings(tmp_path / "masks"))
    failed = {name: reason for name, reason in heard.items() if reason != MADE}
    assert set(failed) == {"0.png", "2.png", "9.png"}
    assert "not a readable image" in failed["0.png"]
    assert "not a readable image" in failed["2.png"]
    assert failed["9.png"] == "no such width"
    assert record.failed == {str(photos / name): reason for name, reason in failed.items()}
    assert record.made == 6
    assert len(contents(tmp_path / "masks")) == 6


def test_a_damaged_mask_is_named_and_left(photos, tmp_path):
    settings = Settings(tmp_path / "masks")
    label_shard(ByColour(), shard_of(photos), settings)
    (settings.output / "3.png").write_bytes(b"")
    record, heard = outcomes_of(ByColour(), photos, settings)
    assert "remove it to have it drawn again" in heard["3.png"]
    assert len(record.failed) == 1


def test_a_folder_that_cannot_be_written_ends_it(photos, tmp_path):
    (tmp_path / "masks").write_text("a file")
    with pytest.raises(SegSRError, match="cannot be written"):
        label_shard(ByColour(), shard_of(photos), Settings(tmp_path / "masks"))


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("threshold", 1.5), ("threads", 0)])
def test_settings_that_make_no_sense(tmp_path, name, value):
    with pytest.raises(SegSRError, match=name):
        Settings(tmp_path, **{name: value})
