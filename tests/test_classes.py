from __future__ import annotations

import numpy as np
import pytest
import torch

from segsr.classes import CLASSES, IGNORE_COLOUR, PALETTE, colourise


def test_there_are_34_classes_and_a_colour_of_its_own_for_each():
    assert len(CLASSES) == len(set(CLASSES)) == 34
    assert len(PALETTE) == 34
    assert len({*PALETTE, IGNORE_COLOUR}) == 35
    assert (CLASSES[0], CLASSES[33]) == ("sky", "boat")


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_colourise_looks_every_class_up(kind):
    picture = colourise(kind([[0, 33, 255], [34, -1, 13]]))
    assert picture.dtype == np.uint8
    grey = list(IGNORE_COLOUR)
    assert picture.tolist() == [
        [list(PALETTE[0]), list(PALETTE[33]), grey],
        [grey, grey, list(PALETTE[13])],
    ]
