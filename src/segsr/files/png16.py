"""PNG files with 16 bits a channel, colour included, which Pillow reads and writes at 8.

Source: W3C Portable Network Graphics, third edition; its sections are named where they are used.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = ">IIBBBBB"  # IHDR: width, height, depth, colour type, compression, filter, interlace
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> number, section 11.2.1
_CHANNELS = {number: channels for channels, number in _COLOUR_TYPES.items()}
_FILTER_UP = b"\2"

# Section 8.1, Adam7: first column, first row, column step and row step of each pass.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def is_deep_colour_png(content: bytes) -> bool:
    """Whether `content` starts a PNG file of 16 bits and more than one channel."""
    return content.startswith(_SIGNATURE) and content[24:25] == b"\x10" and content[25:26] != b"\0"


def encode_png16(
    samples: npt.NDArray[np.uint16], *, exif: bytes | None = None, icc: bytes | None = None
) -> bytes:
    """Return the bytes of a PNG file that holds `samples` at full depth.

    Args:
        samples: (h, w, c) with c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        exif: EXIF block, with or without its leading `Exif` marker.
        icc: ICC profile that fits the channels.
    """
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.zeros_like(rows)
    above[1:] = rows[:-1]
    differences = rows - above  # modulo 256, section 9.2
    lines = b"".join(_FILTER_UP + line.tobytes() for line in differences)

    header = struct.pack(_HEADER, width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if icc is not None:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if exif is not None:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    chunks.append((b"IDAT", zlib.compress(lines)))
    return _join(chunks)


def decode_png16(content: bytes) -> npt.NDArray[np.uint16]:
    """Return the pixels of a 16-bit PNG file at full depth: (h, w, c), c = 1, 2, 3 or 4.

    PNG filters work byte by byte on whole pixels. So the high bytes and the low bytes of a 16-bit
    file, each with the filter numbers of their lines, are two valid 8-bit files: Pillow decodes
    them both.

    Args:
        content: A file that Pillow has read without complaint.

    Raises:
        ValueError: If pixels are missing.
        zlib.error: If the compressed data is damaged.
    """
    chunks = list(_split(content))
    width, height, _, colour, *_, interlaced = struct.unpack(_HEADER, chunks[0][1])
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    halves: tuple[list[bytes], list[bytes]] = ([], [])
    passes = list(_passes(width, height, _CHANNELS[colour], interlaced=bool(interlaced)))
    size = sum(lines * length for lines, length in passes)
    stream = np.frombuffer(zlib.decompressobj().decompress(packed, size), dtype=np.uint8)
    if len(stream) < size:
        raise ValueError(f"{len(stream)} of {size} bytes of pixels are there")
    for lines, length in passes:
        block, stream = np.split(stream, [lines * length])
        block = block.reshape(lines, length)
        filters, pixels = block[:, :1], block[:, 1:]
        for half, lane in zip(halves, (pixels[:, ::2], pixels[:, 1::2]), strict=True):
            half.append(np.hstack([filters, lane]).tobytes())

    header = struct.pack(_HEADER, width, height, 8, colour, 0, 0, interlaced)
    high, low = (
        _eight_bit_pixels(_join([(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(half), 0))]))
        for half in halves
    )
    return (high.astype(np.uint16) << np.uint16(8)) | low


def _passes(
    width: int, height: int, channels: int, *, interlaced: bool
) -> Iterator[tuple[int, int]]:
    """Yield the number of lines of each pass and their length in bytes, filter byte included."""
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns = -((left - width) // across)  # rounded up
        lines = -((top - height) // down)
        if columns > 0 and lines > 0:
            yield lines, 1 + 2 * channels * columns


def _eight_bit_pixels(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        pixels: npt.NDArray[np.uint8] = np.array(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _join(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a file of `chunks` (kind, body), section 5.3, closed by the end chunk."""
    parts = [_SIGNATURE]
    for kind, body in [*chunks, (b"IEND", b"")]:
        checksum = zlib.crc32(kind + body)
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)]
    return b"".join(parts)


def _split(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks (kind, body) of a file."""
    at = len(_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        yield kind, content[at + 8 : at + 8 + length]
        at += 12 + length
