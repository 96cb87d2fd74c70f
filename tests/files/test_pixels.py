from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.pixels import read_image, read_labels, read_size


def test_an_image_is_rgb_bytes(picture, tmp_path):
    path = picture(tmp_path / "a.png", 6, 5)
    pixels = read_image(path)
    assert pixels.dtype == torch.uint8
    assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.asarray(Image.open(path)))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_other_pixel_formats_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image = Image.new("RGB", (4, 3), "white").convert(mode)
    image.save(path)
    assert torch.equal(read_image(path), torch.full((3, 3, 4), 255, dtype=torch.uint8))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[1].tolist() == [[0, 1, 128, 255]]


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (3, 8, 4)


def test_labels_keep_their_numbers(tmp_path):
    labels = np.array([[0, 3], [200, 255]], dtype=np.uint8)
    indexed = Image.fromarray(labels, mode="P")
    indexed.putpalette(list(range(256)) * 3)
    indexed.save(tmp_path / "indexed.png")
    Image.fromarray(labels).save(tmp_path / "grey.png")
    Image.fromarray(labels.astype(np.uint16) * 2).save(tmp_path / "deep.png")
    assert read_labels(tmp_path / "indexed.png").tolist() == labels.tolist()
    assert read_labels(tmp_path / "grey.png").tolist() == labels.tolist()
    assert read_labels(tmp_path / "deep.png").tolist() == [[0, 6], [IGNORE_INDEX, IGNORE_INDEX]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_header_is_that_of_the_upright_image(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_size(tmp_path / "a.jpg") == tuple(read_image(tmp_path / "a.jpg").shape[1:])


def test_a_size_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(SegSRError, match=r"a\.jpg is not a readable image .*, or replace it"):
        read_size(tmp_path / "a.jpg")
    with pytest.raises(SegSRError, match=r"no file .*b\.jpg"):
        read_size(tmp_path / "b.jpg")
