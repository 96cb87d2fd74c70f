"""Damage and rarities: the same sentence for whoever reads a file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from deep_png import deep_png
from PIL import Image, ImageCms

from segsr.errors import SegSRError
from segsr.files.photo import read_photo
from segsr.files.pixels import read_format, read_image, read_labels, read_size

IMAGE_WIDTH, STRIP_OFFSETS = 256, 273
ASCII, LONG = 2, 4
DAMAGED = r"is not a readable image \(damaged or cut short: .+\): replace it"
NO_IMAGE = r"is not a readable image \(cannot identify .+\): convert it to PNG or JPEG, or replace"


@pytest.fixture(scope="module")
def colour() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()[:60, 200:280])  # 80 wide, 60 high


def claiming_more(path: Path) -> None:
    """A plain TIFF whose width became a million."""
    content = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry) == (IMAGE_WIDTH,):
            struct.pack_into("<HII", content, entry + 2, LONG, 1, 1_000_000)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1500])


def scrambled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    path.write_text("<html>not found</html>")


def worded(path: Path) -> None:
    """Makes a word of the number that says where a TIFF's pixels are."""
    content = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry) == (STRIP_OFFSETS,):
            struct.pack_into("<HI", content, entry + 2, ASCII, 4)
    path.write_bytes(content)


@pytest.mark.parametrize("read", [read_photo, read_image])
@pytest.mark.parametrize(
    ("name", "harm", "message"),
    [
        ("photo.jpg", truncated, DAMAGED),
        ("photo.png", truncated, DAMAGED),
        ("photo.png", scrambled, DAMAGED),
        ("photo.webp", truncated, DAMAGED),
        ("photo.tif", truncated, DAMAGED),
        ("photo.tif", worded, DAMAGED),
        ("photo.tif", claiming_more, DAMAGED),
        ("photo.jpg", emptied, NO_IMAGE),
        ("photo.jpg", replaced, NO_IMAGE),
    ],
)
def test_a_bad_file_is_named(
    name: str,
    harm: Callable[[Path], None],
    message: str,
    read: Callable[[Path], object],
    colour: Image.Image,
    tmp_path: Path,
) -> None:
    path = tmp_path / name
    colour.save(path, **({"lossless": True} if path.suffix == ".webp" else {}))
    harm(path)
    with pytest.raises(SegSRError, match=f"{name} {message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_bad_label_image_is_named(colour: Image.Image, tmp_path: Path) -> None:
    for name, harm in (("a.tif", worded), ("b.tif", truncated), ("c.png", truncated)):
        colour.convert("L").save(tmp_path / name)
        harm(tmp_path / name)
        with pytest.raises(SegSRError, match=f"{name} {DAMAGED}"):
            read_labels(tmp_path / name)


def test_a_truncated_16_bit_png_is_named(tmp_path: Path) -> None:
    samples = np.random.default_rng(3).integers(0, 65536, (20, 31, 3), dtype=np.uint16)
    (tmp_path / "photo.png").write_bytes(deep_png(samples)[:-900])
    with pytest.raises(SegSRError, match=rf"photo\.png {DAMAGED}"):
        read_photo(tmp_path / "photo.png")


@pytest.mark.parametrize("read", [read_photo, read_image, read_labels, read_size, read_format])
def test_a_missing_file_and_a_folder_are_named(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    for path in (tmp_path / "nowhere.jpg", tmp_path):
        with pytest.raises(SegSRError, match=f"no file {path}: check the path"):
            read(path)


@pytest.mark.parametrize("read", [read_photo, read_image])
def test_numbers_that_are_no_pixels_are_refused(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    for values, message in (
        (np.full((9, 9), 1.5, dtype=np.float32), "floating point from 1.5 to 1.5, which is no"),
        (np.full((9, 9), np.nan, dtype=np.float32), "floating point from nan to nan, which is no"),
        (np.full((9, 9), 70_000, dtype=np.int32), "the pixel format I, which is not supported"),
    ):
        Image.fromarray(values).save(tmp_path / "numbers.tif")
        with pytest.raises(SegSRError, match=rf"numbers\.tif (holds|has) {message}"):
            read(tmp_path / "numbers.tif")


@pytest.mark.parametrize("read", [read_photo, read_image, read_size])
def test_a_picture_bomb_is_refused(
    read: Callable[[Path], object],
    colour: Image.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    colour.save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(SegSRError, match=r"bomb\.png is too large"):
        read(tmp_path / "bomb.png")


def test_cielab_becomes_rgb(colour: Image.Image, tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(colour, srgb, lab, outputMode="LAB")
    assert converted is not None
    converted.save(tmp_path / "photo.tif", icc_profile=b"of a Lab image")
    photo = read_photo(tmp_path / "photo.tif")
    expected = torch.from_numpy(np.asarray(colour).transpose(2, 0, 1) / np.float32(255))
    assert float((photo.image - expected).abs().max()) < 8 / 255  # Lab has 8 bits too
    assert photo.icc is None


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("RGBA", "png"), ("L", "png"), ("P", "png"), ("CMYK", "tif"), ("RGB", "ppm")],
)
def test_training_and_restoration_see_the_same_pixels(
    mode: str, suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / f"photo.{suffix}"
    colour.convert(mode).save(path)
    assert torch.equal(read_image(path).float() / 255, read_photo(path).image)


def test_sixteen_bits_become_eight_by_rounding(tmp_path: Path) -> None:
    values = np.array([0, 128, 129, 385, 386, 65406, 65407, 65535], dtype=np.uint16)
    expected = (values / 257).round().astype(int).tolist()
    assert expected == [0, 0, 1, 1, 2, 254, 255, 255]
    (tmp_path / "a.png").write_bytes(deep_png(values.reshape(1, -1, 1).repeat(3, axis=2)))
    Image.fromarray(values[None]).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert read_image(tmp_path / name)[1, 0].tolist() == expected
