"""Ten thousand damaged files: nothing but a SegSRError, nothing that hangs or fills the memory."""

from __future__ import annotations

import io
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest
import pyvips
from deep_png import deep_png
from PIL import Image, PngImagePlugin

from segsr.errors import SegSRError
from segsr.files.mask import read_mask
from segsr.files.photo import read_photo

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = 10_000
SLOWEST = 20.0
GROWTH = 200 << 20


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_tiff(samples: np.ndarray, compression: str) -> bytes:
    return pyvips.Image.new_from_array(samples).tiffsave_buffer(compression=compression)


def seeds() -> list[tuple[str, bytes]]:
    """Small files of every kind, by suffix."""
    noise = np.random.default_rng(0)
    rgb = Image.fromarray(noise.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    deep = Image.fromarray(noise.integers(0, 65536, (24, 32), dtype=np.uint16))
    labels = Image.fromarray(noise.integers(0, 34, (24, 32), dtype=np.uint8))
    labels.putpalette(bytes(range(256)) * 3)
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 50, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a photograph"
    deep_rgb = noise.integers(0, 65536, (24, 32, 3), dtype=np.uint16)
    rgba, icc = rgb.convert("RGBA"), b"\0" * 128
    return [
        (".png", encoded(rgb, "PNG", pnginfo=text, exif=exif)),
        (".png", encoded(rgba, "PNG")),
        (".png", encoded(deep, "PNG")),
        (".png", encoded(labels, "PNG")),
        (".jpg", encoded(rgb, "JPEG", exif=exif, icc_profile=icc)),
        (".jpg", encoded(rgb, "JPEG", progressive=True)),
        (".jpg", encoded(rgb.convert("CMYK"), "JPEG")),
        (".webp", encoded(rgb, "WEBP", exif=exif)),
        (".webp", encoded(rgba, "WEBP", lossless=True)),
        (".tif", encoded(rgb, "TIFF", exif=exif)),
        (".tif", encoded(rgb, "TIFF", compression="tiff_lzw")),
        (".tif", encoded(deep, "TIFF", compression="tiff_adobe_deflate")),
        (".bmp", encoded(rgb, "BMP")),
        (".bmp", encoded(labels, "BMP")),
        (".png", deep_png(deep_rgb, exif=exif.tobytes())),
        (".tif", deep_tiff(deep_rgb, "deflate")),
        (".tif", deep_tiff(deep_rgb, "none")),
        (".tif", deep_tiff(deep_rgb / np.float32(65535), "lzw")),
        (".gif", encoded(labels, "GIF", save_all=True, append_images=[labels, labels])),
        (".avif", encoded(rgb, "AVIF", exif=exif)),
        (".jp2", encoded(rgb, "JPEG2000")),
    ]


def flip(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 2, 8, 40))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def spoil_header(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 2, 4))):
        content[draw.randrange(min(200, len(content)))] = draw.choice((0, 1, 2, 127, 128, 255))


def cut(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(1, len(content)) :]


def drop(content: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(content))
    del content[start : start + draw.choice((1, 4, 64))]


def repeat(content: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(content))
    content[start:start] = content[start : start + draw.choice((1, 12, 200))]


def overwrite(content: bytearray, draw: random.Random) -> None:
    """Four bytes, as of a length or an offset."""
    start = draw.randrange(max(1, len(content) - 4))
    content[start : start + 4] = draw.choice(
        (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\1\0")
    )


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip,
    flip,
    spoil_header,
    cut,
    drop,
    repeat,
    overwrite,
)


def damaged(count: int) -> Iterator[tuple[str, bytes]]:
    draw, kinds = random.Random(0), seeds()
    for index in range(count):
        suffix, whole = kinds[index % len(kinds)]
        content = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2))):
            if content:
                draw.choice(MUTATIONS)(content, draw)
        yield suffix, bytes(content)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def held() -> int:
    return psutil.Process().memory_info().rss


class Found(NamedTuple):
    """What a fuzz found.

    Attributes:
        escaped: Errors that are not ours.
        slowest: Seconds of the slowest file.
        refusal: Bytes by which one refused file raised the peak; what is read holds what it claims.
        kept: Bytes that all files but the first tenth left behind; those fill libraries' pools.
    """

    escaped: list[str]
    slowest: float
    refusal: int
    kept: int


def fuzz(folder: Path, count: int) -> Found:
    escaped, slowest, refusal, before = [], 0.0, 0, 0
    for index, (suffix, content) in enumerate(damaged(count)):
        path = folder / f"damaged{suffix}"
        path.write_bytes(content)
        for read in (read_photo, read_mask):
            start, high = time.monotonic(), peak()
            try:
                read(path)
            except SegSRError:
                refusal = max(refusal, peak() - high)
            except BaseException as error:
                escaped.append(f"{index} {suffix} {read.__name__}: {error!r}")
            slowest = max(slowest, time.monotonic() - start)
        if index == count // 10:
            before = held()
    return Found(escaped, slowest, refusal, held() - before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_nothing_else(tmp_path, capsys) -> None:
    found = fuzz(tmp_path, FILES)
    with capsys.disabled():
        print(
            f"{FILES} files: {len(found.escaped)} escapes, slowest {found.slowest:.2f} s, a refused"
            f" one took {found.refusal >> 20} MiB at most, {found.kept >> 20} MiB kept"
        )
    assert not found.escaped
    assert found.slowest < SLOWEST
    assert found.refusal < GROWTH
    assert found.kept < GROWTH


@pytest.mark.slow
def test_damaged_heic_files_crash_another_process(tmp_path) -> None:
    whole, draw, path = (
        (FIXTURES / "photo.heic").read_bytes(),
        random.Random(0),
        tmp_path / "a.heic",
    )
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        draw.choice(MUTATIONS)(content, draw)
        path.write_bytes(content)
        try:
            read_photo(path)
        except SegSRError:
            refused += 1
    assert refused


@pytest.mark.filterwarnings("ignore")
def test_a_few_damaged_files_raise_nothing_else(tmp_path) -> None:
    found = fuzz(tmp_path, 10 * len(seeds()))
    assert not found.escaped
    assert found.slowest < SLOWEST


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("read", [read_photo, read_mask])
def test_damage_has_an_effect(read, tmp_path) -> None:
    """The mutations are no idle ones: whole files are read, and many damaged ones are refused."""
    refused = 0
    for suffix, content in damaged(20 * len(seeds())):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(content)
        try:
            read(path)
        except SegSRError:
            refused += 1
    assert refused > 2 * len(seeds())
    for suffix, whole in seeds():
        path = tmp_path / f"whole{suffix}"
        path.write_bytes(whole)
        assert read_photo(path).image.shape[0] == 3
