"""PNG files of 16 bits a channel by the definition, without a library that the package uses."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # W3C PNG, 11.2.1
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep_png(
    samples: npt.NDArray[np.uint16],
    *,
    exif: bytes | None = None,
    icc: bytes | None = None,
    clear: npt.NDArray[np.uint16] | None = None,
) -> bytes:
    """A file of (h, w, c) `samples`, unfiltered; `clear` is the colour that is transparent."""
    height, width, channels = samples.shape
    lines = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2"))
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    content = _SIGNATURE + chunk(b"IHDR", header)
    if icc is not None:
        content += chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if clear is not None:
        content += chunk(b"tRNS", clear.astype(">u2").tobytes())
    if exif is not None:
        content += chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return content + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def deep_samples_of(content: bytes) -> npt.NDArray[np.uint16]:
    """The samples of a file that is filtered by nothing or by "up" alone."""
    at, packed = len(_SIGNATURE), b""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    assert (depth, interlaced) == (16, 0)
    channels = {number: count for count, number in _COLOUR_TYPES.items()}[colour]
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        packed += content[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)
    rows = np.zeros((height, 2 * channels * width), np.uint8)
    for y, line in enumerate(lines):
        assert line[0] in (0, 2)
        rows[y] = line[1:] + (rows[y - 1] if line[0] == 2 and y else 0)  # modulo 256
    return rows.view(">u2").astype(np.uint16).reshape(height, width, channels)
