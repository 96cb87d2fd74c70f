"""EXIF and IPTC in TIFF files: no blocks of their own but tags among those of the picture.

libvips writes no EXIF there, and of IPTC a quarter.

Source: TIFF 6.0, sections 2 and 8; EXIF 2.32, section 4.6.3.
"""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image

IPTC_TAG = 33723

_HEADER = 8  # byte order, 42, position of the first directory
_ENTRY = 12  # tag, type, count, value or its position


def add_tags(path: Path, exif: bytes | None, iptc: bytes | None) -> None:
    """Add the tags of an EXIF block and IPTC records to the TIFF file `path`, in place.

    The old directory of tags stays in the file, unused; tags that it has are not replaced.

    Args:
        path: A TIFF file below 4 GiB with one directory.
        exif: A block that Pillow reads.
        iptc: Records.

    Raises:
        OSError: If the file would become larger than 4 GiB.
    """
    block = Image.Exif()
    block.load(exif or b"")
    if iptc is not None:
        block[IPTC_TAG] = iptc
    with path.open("r+b") as file:
        order = "<" if file.read(2) == b"II" else ">"
        end = file.seek(0, 2)
        end += end % 2  # directories begin at even positions
        # As if in a file of its own that begins where this one ends, behind a header.
        block.endian = order
        tags = block.tobytes(end + _HEADER).removeprefix(b"Exif\0\0")[_HEADER:]
        directory = end + _HEADER + len(tags) + len(tags) % 2
        if directory + (1 << 16) > 1 << 32:
            raise OSError("a TIFF file cannot be larger than 4 GiB")

        file.seek(4)
        (first,) = struct.unpack(order + "I", file.read(4))
        file.seek(first)
        (count,) = struct.unpack(order + "H", file.read(2))
        entries = _split(file.read(_ENTRY * count), order)
        (added,) = struct.unpack_from(order + "H", tags)
        entries = _split(tags[2 : 2 + _ENTRY * added], order) | entries

        file.seek(end + _HEADER)
        file.write(tags)
        file.seek(directory)
        file.write(struct.pack(order + "H", len(entries)))
        file.write(b"".join(entries[tag] for tag in sorted(entries)))
        file.write(bytes(4))  # no further directory
        file.seek(4)
        file.write(struct.pack(order + "I", directory))


def _split(entries: bytes, order: str) -> dict[int, bytes]:
    """Return the entries of a directory by tag."""
    parts = [entries[at : at + _ENTRY] for at in range(0, len(entries), _ENTRY)]
    return {struct.unpack_from(order + "H", part)[0]: part for part in parts}
