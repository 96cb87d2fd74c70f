import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segsr.files.png16 import decode_png16, encode_png16, is_deep_colour_png

Bytes = npt.NDArray[np.int64]


def random_samples(channels: int, height: int = 13, width: int = 21) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(channels)
    return rng.integers(0, 65536, (height, width, channels), dtype=np.uint16)


def paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    guess = left + up - corner
    off = np.abs(np.stack([guess - left, guess - up, guess - corner]))
    return np.choose(off.argmin(axis=0), [left, up, corner])  # the first of equals, as asked


PREDICTORS: list[Callable[[Bytes, Bytes, Bytes], Bytes]] = [
    lambda left, up, corner: np.zeros_like(left),
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left + up) // 2,
    paeth,
]


def filtered(samples: npt.NDArray[np.uint16], kinds: list[int]) -> bytes:
    """Scanlines by the definition of PNG filters, line i filtered by `kinds[i % len]`."""
    height, _, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    step = 2 * channels
    left = np.pad(rows, ((0, 0), (step, 0)))[:, :-step]
    up = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(left, ((1, 0), (0, 0)))[:-1]
    lines = b""
    for y in range(height):
        kind = kinds[y % len(kinds)]
        line = (rows[y] - PREDICTORS[kind](left[y], up[y], corner[y])) % 256
        lines += bytes([kind]) + line.astype(np.uint8).tobytes()
    return lines


def png(samples: npt.NDArray[np.uint16], lines: bytes, *, interlaced: bool = False) -> bytes:
    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    packed = zlib.compress(lines)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, interlaced)),
        (b"tEXt", b"Comment\0between"),
        (b"IDAT", packed[:50]),
        (b"IDAT", packed[50:]),
        (b"IEND", b""),
    ]:
        content += struct.pack(">I", len(body)) + kind + body
        content += struct.pack(">I", zlib.crc32(kind + body))
    return content


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_encoder_writes_the_samples_it_was_given(channels: int) -> None:
    samples = random_samples(channels)
    content = encode_png16(samples)
    packed = content[content.index(b"IDAT") + 4 : content.index(b"IEND") - 8]
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(13, -1)
    assert (lines[:, 0] == 2).all()
    rows = np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8)  # undoes the filter "up"
    np.testing.assert_array_equal(rows.copy().view(">u2").reshape(samples.shape), samples)


@pytest.mark.parametrize("channels", [3, 4])
def test_pillow_reads_the_high_bytes(channels: int) -> None:
    samples = random_samples(channels)
    with Image.open(io.BytesIO(encode_png16(samples, icc=b"profile"))) as image:
        np.testing.assert_array_equal(np.asarray(image), samples >> 8)
        assert image.info["icc_profile"] == b"profile"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kinds", [[0], [1], [2], [3], [4], [4, 3, 0, 2, 1]], ids=str)
def test_the_decoder_undoes_every_filter(kinds: list[int], channels: int) -> None:
    samples = random_samples(channels)
    content = png(samples, filtered(samples, kinds))
    if channels > 2:
        with Image.open(io.BytesIO(content)) as image:  # the file is a valid one
            np.testing.assert_array_equal(np.asarray(image), samples >> 8)
    np.testing.assert_array_equal(decode_png16(content), samples)


@pytest.mark.parametrize("size", [(13, 21), (1, 1), (3, 2), (8, 8)], ids=str)
def test_interlaced_files_decode(size: tuple[int, int]) -> None:
    samples = random_samples(3, *size)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
    passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[top::down, left::across] for top, left, down, across in passes]
    lines = b"".join(filtered(part, [4, 1]) for part in parts if part.size)
    content = png(samples, lines, interlaced=True)
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(np.asarray(image), samples >> 8)
    np.testing.assert_array_equal(decode_png16(content), samples)


def test_missing_pixels_are_an_error() -> None:
    samples = random_samples(3)
    with pytest.raises(ValueError, match="bytes of pixels are there"):
        decode_png16(png(samples, filtered(samples, [0])[:-1]))


def test_only_deep_colour_is_recognised() -> None:
    assert is_deep_colour_png(encode_png16(random_samples(3)))
    assert not is_deep_colour_png(encode_png16(random_samples(1)))
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    assert not is_deep_colour_png(buffer.getvalue())
    assert not is_deep_colour_png(b"")
