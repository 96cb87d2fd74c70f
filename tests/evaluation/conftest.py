"""A small gallery in plain colours, for reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.evaluation.gallery import Example, Panel, Section
from segsr.evaluation.table import Row, Table, Value
from segsr.metrics.column import Column

COLOURS = {"lq": (200, 200, 0), "hq": (0, 200, 0), "first": (200, 0, 0), "second": (0, 0, 200)}
COLUMNS = (
    Column("psnr", "PSNR", higher_is_better=True, decimals=2, field="psnr"),
    Column("lpips", "LPIPS", higher_is_better=False, decimals=4, field="lpips"),
)
ROWS = (
    Row("second", {"psnr": Value(25.5, 25.0, 26.0, 1.5), "lpips": Value(0.2)}),
    Row("first", {"psnr": Value(9.75)}),
    Row("third", {"psnr": Value(100.25), "lpips": Value(0.3)}),
    Row("second", {"psnr": Value(30.0), "lpips": Value(0.1)}, printed=True),
)


@pytest.fixture
def colours():
    """What the images of `example` are filled with."""
    return COLOURS


@pytest.fixture
def picture(tmp_path):
    """Writes a file of one colour and returns its path."""

    def write(name: str, colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Path:
        path = tmp_path / name
        Image.new("RGB", size, colour).save(path)
        return path

    return write


@pytest.fixture
def class_map(tmp_path):
    """Writes a mask of a class above and no class below, and returns its path."""

    def write(name: str, label: str) -> Path:
        labels = np.full((48, 64), IGNORE_INDEX, dtype=np.uint8)
        labels[:24] = CLASSES.index(label)
        path = tmp_path / name
        Image.fromarray(labels).save(path)
        return path

    return write


@pytest.fixture
def example(picture, class_map):
    """One photograph by two methods, of which the second has a mask of sky."""
    return Example(
        "house",
        picture("lq.png", COLOURS["lq"], (16, 12)),
        picture("hq.png", COLOURS["hq"]),
        (
            Panel("first", picture("first.png", COLOURS["first"])),
            Panel("second", picture("second.png", COLOURS["second"]), class_map("m.png", "sky")),
        ),
        {"first": {"psnr": 9.75}, "second": {"psnr": 25.5, "lpips": 0.2}},
    )


@pytest.fixture
def section(example):
    """A test set of one photograph."""
    return Section("Streets", Table("Streets", COLUMNS, ROWS, ("protocol x",)), (example,))
