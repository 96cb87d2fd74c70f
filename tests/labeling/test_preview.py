from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.files.mask import write_mask
from segsr.labeling.photos import PhotoToLabel
from segsr.labeling.preview import CELL, overlay, write_preview
from segsr.palette import PALETTE


@pytest.fixture
def items(tmp_path, picture):
    found = []
    for i in range(5):
        photo = picture(tmp_path / "photos" / f"{i}.jpg", 60, 40)
        mask = torch.full((40, 60), i)
        mask[:, 50:] = IGNORE_INDEX
        write_mask(tmp_path / "masks" / f"{i}.png", mask, PALETTE)
        found.append(PhotoToLabel(photo, f"{i}.png"))
    return found


def colours_of(path):
    return {tuple(pixel) for pixel in np.asarray(Image.open(path)).reshape(-1, 3).tolist()}


def test_an_overlay_mixes_marks_borders_and_leaves_the_unknown_grey():
    photo = np.full((4, 6, 3), (100, 200, 0), dtype=np.uint8)
    mask = np.zeros((4, 6), dtype=np.uint8)
    mask[:, 4:] = IGNORE_INDEX
    shown = overlay(photo, mask, [(200, 100, 50)])
    assert shown[0, 0].tolist() == [160, 140, 30]
    assert shown[0, 4].tolist() == [32, 32, 32]
    assert shown[0, 5].tolist() == [100, 100, 100]


def test_the_sheet_shows_evenly_taken_photographs_and_their_classes(items, tmp_path):
    sheet = tmp_path / "new" / "sheet.png"
    write_preview(sheet, items, tmp_path / "masks", CLASSES, count=3)
    picture = Image.open(sheet)
    assert picture.width > 3 * 2 * CELL[0]
    shown = colours_of(sheet)
    assert {PALETTE[0], PALETTE[2], PALETTE[4]} <= shown  # in the legend
    assert not {PALETTE[1], PALETTE[3]} & shown


def test_photographs_without_a_mask_are_passed_over(items, tmp_path):
    (tmp_path / "masks" / "0.png").unlink()
    items[4].photo.write_bytes(b"")
    write_preview(tmp_path / "sheet.png", items, tmp_path / "masks", CLASSES)
    shown = colours_of(tmp_path / "sheet.png")
    assert {PALETTE[1], PALETTE[2], PALETTE[3]} <= shown
    assert not {PALETTE[0], PALETTE[4]} & shown


def test_what_cannot_be_shown_or_written_is_a_sentence(items, tmp_path):
    with pytest.raises(SegSRError, match="none of the photographs looked at has a mask"):
        write_preview(tmp_path / "sheet.png", items, tmp_path / "nothing", CLASSES)
    with pytest.raises(SegSRError, match=r"must end in \.png or \.jpg"):
        write_preview(tmp_path / "sheet.gif", items, tmp_path / "masks", CLASSES)
