from __future__ import annotations

import pytest
import torch

from segsr.batch import IGNORE_INDEX
from segsr.data.crop import centre_crop, crop_to_multiple, pad, random_crop
from segsr.data.read import SamplePixels
from segsr.errors import SegSRError
from segsr.seeding import generator


def photo(width, height):
    """Red is the row, green the column; the mask is row + column."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    hq = torch.stack([y, x, torch.zeros_like(x)]).to(torch.uint8)
    lq = hq[:, ::4, ::4]
    return SamplePixels("a.png", hq, (y + x).to(torch.uint8), lq)


def is_aligned(crop):
    known = crop.mask != IGNORE_INDEX
    total = crop.hq[0].int() + crop.hq[1].int()
    return torch.equal(total[known], crop.mask.int()[known])


def test_crops_are_uniform_and_take_the_mask_along():
    corners, mirrored = set(), 0
    for i in range(300):
        crop = random_crop(photo(9, 8), 6, generator(i))
        assert crop.hq.shape == (3, 6, 6)
        assert crop.lq is None
        assert is_aligned(crop)
        columns = crop.hq[1, 0].tolist()
        mirrored += columns[0] > columns[-1]
        corners.add((int(crop.hq[0].min()), min(columns)))
    assert corners == {(y, x) for y in range(3) for x in range(4)}
    assert 110 < mirrored < 190


def test_without_flip_nothing_is_mirrored():
    crops = [random_crop(photo(9, 8), 6, generator(i), flip=False) for i in range(20)]
    assert all(crop.hq[1, 0, 0] < crop.hq[1, 0, 1] for crop in crops)


def test_a_crop_is_a_function_of_its_generator():
    first, second = (random_crop(photo(60, 50), 16, generator(3), min_scale=0.5) for _ in range(2))
    assert torch.equal(first.hq, second.hq)


def test_shrinking_first_is_a_wider_view_with_the_mask_in_place():
    widths = []
    for i in range(100):
        crop = random_crop(photo(100, 90), 24, generator(i), min_scale=0.5, flip=False)
        assert crop.hq.shape == (3, 24, 24)
        error = crop.hq[0].int() + crop.hq[1].int() - crop.mask.int()
        assert error.abs().max() <= 3  # nearest neighbour and rounding
        widths.append(int(crop.hq[1, 0, -1]) - int(crop.hq[1, 0, 0]) + 1)
    assert 23 <= min(widths) < 26
    assert 44 < max(widths) <= 49


def test_a_small_photograph_is_reflected_and_its_padding_ignored():
    padded = pad(photo(5, 8), 12)
    assert padded.hq.shape == (3, 12, 12)
    assert padded.hq[1, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]
    assert padded.hq[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3]
    assert (padded.mask[:8, :5] != IGNORE_INDEX).all()
    assert (padded.mask[8:] == IGNORE_INDEX).all()
    assert (padded.mask[:, 5:] == IGNORE_INDEX).all()
    assert random_crop(photo(1, 1), 8, generator(0)).hq.shape == (3, 8, 8)


def test_whole_photographs_lose_a_rim_evenly_on_the_lq_grid():
    crop = crop_to_multiple(photo(76, 48), 16)
    assert crop.hq.shape == (3, 48, 64)
    assert int(crop.hq[1, 0, 0]) == 4  # 6 of 12, moved to the LQ grid
    assert is_aligned(crop)
    assert torch.equal(crop.lq, crop.hq[:, ::4, ::4])


def test_the_centre_crop_takes_the_lq_view_along():
    crop = centre_crop(photo(76, 48), 32)
    assert crop.hq.shape == (3, 32, 32)
    assert (int(crop.hq[0, 0, 0]), int(crop.hq[1, 0, 0])) == (8, 20)
    assert torch.equal(crop.lq, crop.hq[:, ::4, ::4])


def test_what_is_below_one_multiple_is_refused():
    with pytest.raises(SegSRError, match=r"a\.png is 40x12, each side must have at least 16"):
        crop_to_multiple(photo(40, 12), 16)
