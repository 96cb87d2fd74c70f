"""A contact sheet: photographs beside their masks, and a legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.files.pixels import read_image, read_labels
from segsr.labeling.photos import PhotoToLabel
from segsr.palette import IGNORE_COLOUR, Colour, palette

COLUMNS = 3
CELL = (288, 216)
"""Width and height that a photograph, and its mask beside it, are fitted into."""
MARGIN = 12
CAPTION = 20
ENTRY = 190
"""Width of an entry of the legend."""
OPACITY = 0.6
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_INK = (32, 32, 32)


def write_preview(
    path: Path,
    items: Sequence[PhotoToLabel],
    masks: Path,
    classes: Sequence[str],
    *,
    count: int = 12,
) -> None:
    """Write a contact sheet of photographs taken evenly from a list.

    Each is followed by itself under its mask's colours, with a line between regions; the legend
    has the classes to be seen, the largest first, with their shares of the pixels shown.

    Args:
        path: The picture, `.png` or `.jpg`.
        items: The list; photographs that cannot be read or have no mask are passed over.
        masks: Folder of the masks.
        classes: Their names.
        count: Photographs to show at most.

    Raises:
        SegSRError: If the suffix is another, no mask can be shown or the file cannot be written.
    """
    check_name(path)
    colours = palette(classes)
    cells: list[Image.Image] = []
    shares = np.zeros(256)
    for place in np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int):
        item = items[place]
        try:
            photo = read_image(item.photo).permute(1, 2, 0).numpy()
            mask = read_labels(masks / item.mask).numpy()
        except SegSRError:
            continue
        shares += np.bincount(mask.ravel(), minlength=256) / mask.size
        cells.append(_cell(photo, mask, item.photo.name, colours))
    if not cells:
        raise SegSRError(f"no preview {path}: none of the photographs looked at has a mask")
    buffer = io.BytesIO()
    _sheet(cells, shares / len(cells), classes, colours).save(buffer, _FORMATS[path.suffix.lower()])
    write_atomic(path, buffer.getvalue())


def check_name(path: Path) -> None:
    """Refuse a preview's name that is no picture's.

    Raises:
        SegSRError: If the suffix is another than `.png` or `.jpg`.
    """
    if path.suffix.lower() not in _FORMATS:
        raise SegSRError(f"{path}: a preview is a picture, so its name must end in .png or .jpg")


def overlay(
    photo: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], colours: Sequence[Colour]
) -> npt.NDArray[np.uint8]:
    """Return `photo` (H, W, 3) under the colours of `mask` (H, W), dark where regions meet.

    What has no class keeps its own colours, in grey.
    """
    table = np.zeros((256, 3))
    table[: len(colours)] = colours
    shown = (1 - OPACITY) * photo + OPACITY * table[mask]
    unknown = mask == IGNORE_INDEX
    shown[unknown] = photo[unknown].mean(axis=1, keepdims=True)
    edge = np.zeros(mask.shape, dtype=bool)
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edge[1:] |= mask[1:] != mask[:-1]
    shown[edge] = _INK
    rounded: npt.NDArray[np.uint8] = shown.round().astype(np.uint8)
    return rounded


def _cell(
    photo: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.uint8],
    name: str,
    colours: Sequence[Colour],
) -> Image.Image:
    width, height = CELL
    cell = Image.new("RGB", (2 * width + 4, height + CAPTION), "white")
    picture = Image.fromarray(photo)
    shrink = min(width / picture.width, height / picture.height)
    size = (max(1, round(shrink * picture.width)), max(1, round(shrink * picture.height)))
    small = picture.resize(size, Image.Resampling.LANCZOS)
    labels = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    top = height - size[1]
    cell.paste(small, (width - size[0], top))
    cell.paste(Image.fromarray(overlay(np.asarray(small), labels, colours)), (width + 4, top))
    draw = ImageDraw.Draw(cell)
    draw.text((width - size[0], height + 2), name[:72], _INK, ImageFont.load_default(13))
    return cell


def _sheet(
    cells: Sequence[Image.Image],
    shares: npt.NDArray[np.float64],
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> Image.Image:
    columns = min(COLUMNS, len(cells))
    width, height = cells[0].size
    rows = -(-len(cells) // columns)
    entries = [
        (classes[i], colours[i], shares[i])
        for i in (-shares[: len(classes)]).argsort(kind="stable")
        if shares[i]
    ]
    if shares[IGNORE_INDEX]:
        entries.append(("no class", IGNORE_COLOUR, shares[IGNORE_INDEX]))
    sheet_width = columns * (width + MARGIN) + MARGIN
    per_line = max(1, (sheet_width - MARGIN) // ENTRY)
    grid_height = rows * (height + MARGIN) + MARGIN
    sheet_height = grid_height + -(-len(entries) // per_line) * 26 + MARGIN
    sheet = Image.new("RGB", (sheet_width, sheet_height), "white")
    for i, cell in enumerate(cells):
        row, column = divmod(i, columns)
        sheet.paste(cell, (MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN)))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for i, (name, colour, share) in enumerate(entries):
        line, place = divmod(i, per_line)
        x, y = MARGIN + place * ENTRY, grid_height + line * 26
        draw.rectangle((x, y, x + 22, y + 18), colour, _INK)
        draw.text((x + 30, y), f"{name}  {share:.1%}", _INK, font)
    return sheet
