"""Uploads: names, limits, formats, what was painted."""

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.app.intake import painted, plain_name, read_mask_upload, read_upload
from segsr.app.limits import Limits
from segsr.errors import SegSRError

LIMITS = Limits(bytes=4000, pixels=600)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.png", "photo.png"),
        ("a\x00b\n.png", "ab.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("", "photo"),
        (None, "photo"),
        ("..", "photo"),
        ("dir/", "photo"),
        ("x" * 300 + ".png", "x" * 96 + ".png"),
        ("Straße 1.png", "Straße 1.png"),
    ],
)
def test_a_name_is_a_word_and_no_path(given, kept):
    assert plain_name(given) == kept


def test_a_photograph_is_read_as_the_command_line_does(tmp_path, photo):
    path = tmp_path / "upload"
    path.write_bytes(photo(20, 12))
    read = read_upload(path, "a.png", LIMITS)
    with Image.open(path) as image:
        assert np.array_equal((read.image * 255).round().permute(1, 2, 0), np.asarray(image))


def refused(tmp_path, content, limits=LIMITS):
    path = tmp_path / "secret-folder" / "upload"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(SegSRError) as refusal:
        read_upload(path, "holiday.png", limits)
    assert "secret-folder" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)
    return str(refusal.value)


def test_what_is_too_large_is_refused_with_the_limit(tmp_path, photo):
    assert "holiday.png has 40 x 30 pixels, but 0.0006 million" in refused(
        tmp_path, photo(40, 30), Limits(pixels=600)
    )
    assert "MB are taken here" in refused(tmp_path, photo(100, 100))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holiday.png is empty"),
        (b"<svg onload=alert(1)>", "holiday.png is not a readable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "holiday.png is EPS, which is not"),
        (
            b"GIF89a\x04\x00\x04\x00\x80\x00\x00" + bytes(6) + b",\0\0\0\0\x04\0\x04\0\0\x02\0;",
            "holiday.png is GIF, which is not taken",
        ),
    ],
)
def test_what_is_no_photograph_is_refused_by_its_name(tmp_path, content, sentence):
    assert sentence in refused(tmp_path, content)


def test_a_mask_may_be_as_large_as_the_restoration(tmp_path):
    path = tmp_path / "mask"
    Image.new("L", (80, 48), 3).save(path, "PNG")
    assert read_mask_upload(path, "mask.png", LIMITS).shape == (48, 80)
    Image.new("L", (180, 148), 3).save(path, "PNG")
    with pytest.raises(SegSRError, match=r"mask\.png has 180 x 148 pixels"):
        read_mask_upload(path, "mask.png", LIMITS)


def test_what_is_painted_is_a_class_for_each_pixel():
    cells = painted(bytes([0, 33, 255, 1, 2, 3]), 2, 3, 34)
    assert torch.equal(cells, torch.tensor([[0, 33, 255], [1, 2, 3]]))
    with pytest.raises(SegSRError, match="has 5 values, but the photograph 6 pixels"):
        painted(bytes(5), 2, 3, 34)
    with pytest.raises(SegSRError, match="use 0 to 33, or 255"):
        painted(bytes([34] * 6), 2, 3, 34)
