from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.data.image_folder import Files
from segsr.data.read import read_image, read_labels, read_sample
from segsr.errors import SegSRError


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


def test_labels_are_mapped_to_classes(picture, tmp_path):
    image = picture(tmp_path / "a.png", 8, 4)
    Image.fromarray(np.array([[0, 1, 2, 40] * 2] * 4, dtype=np.uint8)).save(tmp_path / "m.png")
    mapped = read_sample(Files(image, tmp_path / "m.png", class_map={0: 5, 1: 33})).mask
    own = read_sample(Files(image, tmp_path / "m.png")).mask
    assert mapped is not None
    assert own is not None
    assert mapped[0].tolist() == [5, 33, IGNORE_INDEX, IGNORE_INDEX] * 2
    assert own[0].tolist() == [0, 1, 2, IGNORE_INDEX] * 2  # 40 is no class of ours


def test_every_complaint_names_the_file_the_rule_and_the_remedy(picture, tmp_path):
    image = picture(tmp_path / "a.png", 48, 40)
    colour = picture(tmp_path / "colour.png", 48, 40)
    small = picture(tmp_path / "small.png", 40, 40, labels=3)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image at all")
    cut = picture(tmp_path / "cut.png")
    cut.write_bytes(cut.read_bytes()[:300])
    for files, message in (
        (Files(broken), "broken.jpg is not a readable image .*: replace it"),
        (Files(cut), "cut.png is not a readable image"),
        (Files(tmp_path / "gone.png"), "no file .*gone.png"),
        (Files(image, tmp_path / "none.png"), "a.png has no mask: add .*none.png"),
        (Files(image, lq=tmp_path / "none.png"), "a.png has no LQ version"),
        (Files(image, small), "small.png is 40x40, its image .*a.png 48x40: resize"),
        (Files(image, colour), "colour.png is a RGB image, labels must be grey"),
        (Files(image, lq=small), "small.png is 40x40, which is not 1/4 of the 48x40"),
    ):
        with pytest.raises(SegSRError, match=message) as caught:
            read_sample(files)
        assert "\n" not in str(caught.value)
