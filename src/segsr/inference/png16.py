"""PNG files with 16 bits a channel, colour included: Pillow and torchvision write 8 at most."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> the standard's number
_FILTER_UP = 2


def encode_png16(
    samples: npt.NDArray[np.uint16], *, exif: bytes | None = None, icc: bytes | None = None
) -> bytes:
    """Return the bytes of a PNG file that holds `samples` at full depth.

    Args:
        samples: (h, w, c) with c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        exif: EXIF block, with or without its leading `Exif` marker.
        icc: ICC profile that fits the channels.

    Source: W3C Portable Network Graphics, third edition, sections 5 (chunks) and 9 (filters).
    """
    height, width, channels = samples.shape
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.zeros_like(rows)
    above[1:] = rows[:-1]
    filtered = np.empty((height, rows.shape[1] + 1), dtype=np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[:, 1:] = rows - above  # modulo 256, as the standard asks

    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header)]
    if icc is not None:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if exif is not None:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    parts.append(_chunk(b"IDAT", zlib.compress(filtered.tobytes())))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
