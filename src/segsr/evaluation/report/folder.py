"""The HTML report as one self-contained folder: a page and the images it shows."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.gallery import Example, Section
from segsr.evaluation.report.page import GENERATOR, Side, Viewer, page
from segsr.files.pixels import read_format, read_image, read_labels
from segsr.palette import COLOURS

_SHOWN_BY_BROWSERS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


def write_report(folder: Path, title: str, sections: Sequence[Section]) -> Path:
    """Return the page of a new report, `folder`/index.html; it opens without a server or network.

    The folder appears when it is complete; an earlier report in its place is replaced then.

    Args:
        folder: The new folder; what is above it is made if missing.
        title: Heading of the page.
        sections: One test set each.

    Raises:
        SegSRError: An image cannot be read, `folder` holds something other than a report, or
            cannot be written.
    """
    folder = folder.absolute()
    _check_replaceable(folder)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        (part / "images").mkdir(parents=True)
        images = _Images(part)
        viewers = [[images.viewer(example) for example in section.examples] for section in sections]
        tables = [(section.title, section.table) for section in sections]
        (part / "index.html").write_text(page(title, tables, viewers), encoding="utf-8")
        _put_in_place(part, folder)
    except OSError as error:
        raise SegSRError(
            f"report {folder} cannot be written ({error.strerror or error}): check that the folder "
            "above it is writable and has room"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / "index.html"


class _Images:
    """The images of a report, each file copied once.

    Attributes:
        folder: The report's folder; addresses are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pictures: dict[Path, str] = {}
        self._masks: dict[Path, tuple[str, tuple[int, ...]]] = {}

    def viewer(self, example: Example) -> Viewer:
        """Copy what `example` shows and return where it is."""
        sides = [] if example.lq is None else [Side("LQ", self._picture(example.lq), pixels=True)]
        for panel in example.panels:
            mask, classes = (None, ()) if panel.mask is None else self._mask(panel.mask)
            values = example.values.get(panel.label, {})
            picture = self._picture(panel.image)
            sides.append(Side(panel.label, picture, mask=mask, classes=classes, values=values))
        if example.hq is not None:
            sides.append(Side("HQ", self._picture(example.hq)))
        return Viewer(example.name, _full_size(example), tuple(sides))

    def _picture(self, path: Path) -> str:
        """Copy a photograph, as PNG if browsers do not show its format."""
        if path not in self._pictures:
            suffix = _SHOWN_BY_BROWSERS.get(read_format(path))
            address = f"images/{len(self._pictures):05d}{suffix or '.png'}"
            if suffix is None:
                pixels = read_image(path).permute(1, 2, 0).numpy()
                Image.fromarray(pixels).save(self.folder / address)
            else:
                shutil.copyfile(path, self.folder / address)
            self._pictures[path] = address
        return self._pictures[path]

    def _mask(self, path: Path) -> tuple[str, tuple[int, ...]]:
        """Write a class map in the palette's colours, clear where no class is; and its classes."""
        if path not in self._masks:
            labels = read_labels(path).numpy()
            labels = np.where(labels < len(CLASSES), labels, IGNORE_INDEX).astype(np.uint8)
            picture = Image.fromarray(labels)
            picture.putpalette(np.asarray(COLOURS, dtype=np.uint8).tobytes())
            address = f"images/mask-{len(self._masks):05d}.png"
            opacity = bytes(255 if value < len(CLASSES) else 0 for value in range(256))
            picture.save(self.folder / address, transparency=opacity)
            classes = tuple(int(i) for i in np.unique(labels) if i != IGNORE_INDEX)
            self._masks[path] = address, classes
        return self._masks[path]


def _full_size(example: Example) -> tuple[int, int]:
    """Width and height at which all images of an example are shown."""
    full = [example.hq] if example.hq is not None else [panel.image for panel in example.panels]
    if full:
        height, width = read_image(full[0]).shape[1:]
        return width, height
    if example.lq is None:
        raise SegSRError(f"{example.name} shows nothing: give it an image or leave it out")
    height, width = read_image(example.lq).shape[1:]
    return SCALE * width, SCALE * height


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    index = folder / "index.html"
    if not index.is_file() or GENERATOR not in index.read_text("utf-8", errors="replace")[:2000]:
        raise SegSRError(
            f"report {folder} would replace a folder that holds something else: choose a new one"
        )


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename `part` to `folder`; an old one is moved away first, and back if that fails."""
    if not folder.exists():
        os.replace(part, folder)
        return
    old = part.with_suffix(".old")
    os.replace(folder, old)
    try:
        os.replace(part, folder)
    except OSError:
        os.replace(old, folder)
        raise
    with contextlib.suppress(OSError):
        shutil.rmtree(old)
