"""XMP and IPTC of a photograph: blocks that are kept as they are, but for the orientation."""

from __future__ import annotations

import re
import struct

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from segsr.files.tiff_tags import IPTC_TAG

_XMP_ORIENTATION = re.compile(
    rb"""\s*tiff:Orientation\s*=\s*(["']).*?\1|<tiff:Orientation>.*?</tiff:Orientation>""", re.S
)
_IPTC_RESOURCE = 0x0404  # of Photoshop's, in which JPEG files have IPTC
_PHOTOSHOP = b"Photoshop 3.0\0"


def xmp_to_keep(image: ImageFile) -> bytes | None:
    """Return the XMP packet of a file without its orientation, which is applied; None if none."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    return _XMP_ORIENTATION.sub(b"", packet) if isinstance(packet, bytes) and packet else None


def iptc_to_keep(image: ImageFile) -> bytes | None:
    """Return the IPTC records of a JPEG or TIFF file; None if there are none."""
    if isinstance(image, TiffImageFile):
        records = image.tag_v2.get(IPTC_TAG)
        if isinstance(records, tuple):  # some writers store bytes as 32-bit numbers
            try:
                records = struct.pack(f"{image.tag_v2._endian}{len(records)}I", *records)
            except struct.error:
                records = None
    else:
        records = (image.info.get("photoshop") or {}).get(_IPTC_RESOURCE)
    return records if isinstance(records, bytes) and records else None


def in_photoshop_resource(iptc: bytes) -> bytes:
    """Return IPTC records as a JPEG file has them (Photoshop's file format, image resources)."""
    padding = b"\0" * (len(iptc) % 2)
    return (
        _PHOTOSHOP + struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc)) + iptc + padding
    )
