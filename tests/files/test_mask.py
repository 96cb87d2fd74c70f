from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.files.mask import read_mask, write_mask
from segsr.palette import IGNORE_COLOUR, PALETTE


def test_a_mask_is_written_as_indices_with_colours(tmp_path: Path) -> None:
    mask = torch.tensor([[0, 1, 2], [2, IGNORE_INDEX, 0]])
    palette = [(10, 20, 30), (200, 0, 0), (0, 0, 255)]
    write_mask(tmp_path / "mask.png", mask, palette)
    with Image.open(tmp_path / "mask.png") as written:
        assert written.mode == "P"
        assert np.array_equal(np.asarray(written), mask)
        shown = np.asarray(written.convert("RGB"))
    assert shown[0].tolist() == [[10, 20, 30], [200, 0, 0], [0, 0, 255]]
    assert tuple(shown[1, 1].tolist()) == IGNORE_COLOUR
    assert list(tmp_path.iterdir()) == [tmp_path / "mask.png"]


@pytest.mark.parametrize("value", [-1, 3, 300])
def test_a_mask_value_without_a_colour_is_refused(value: int, tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=rf"holds the value {value}, but the palette has 3"):
        write_mask(tmp_path / "mask.png", torch.full((2, 2), value), [(0, 0, 0)] * 3)


def test_a_mask_is_never_lossy(tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=r"mask\.jpg: .* must be \.png"):
        write_mask(tmp_path / "mask.jpg", torch.zeros(2, 2).long(), [(0, 0, 0)])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    mask = torch.tensor([[0, 1, 2], [2, IGNORE_INDEX, 0]])
    write_mask(tmp_path / "mask.png", mask, [(0, 0, 0)] * 3)
    assert torch.equal(read_mask(tmp_path / "mask.png"), mask)


def test_a_picture_in_colours_is_no_mask(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "mask.png")
    with pytest.raises(SegSRError, match="mask holds class indices"):
        read_mask(tmp_path / "mask.png")


def test_masks_of_more_classes_than_ours_have_colours_too(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", torch.tensor([[0, 40, 254, IGNORE_INDEX]]))
    with Image.open(tmp_path / "mask.png") as written:
        shown = np.asarray(written.convert("RGB"))[0].tolist()
    assert tuple(shown[0]) == PALETTE[0]
    assert len({tuple(colour) for colour in shown}) == 4
    with pytest.raises(SegSRError, match="holds the value 256"):
        write_mask(tmp_path / "mask.png", torch.tensor([[256]]))
