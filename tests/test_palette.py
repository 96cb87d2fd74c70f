from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.palette import COLOURS, IGNORE_COLOUR, PALETTE, colourise, palette

# Severity 1 of Machado, Oliveira, Fernandes 2009; linear RGB
MACHADO = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Vienot, Brettel, Mollon 1999: another simulation
VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def appearance(colours, matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    """How `colours` look in CIELAB through the eyes that a matrix describes."""
    srgb = np.array(colours) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.array(matrix).T).clip(0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None])[0]


def least_difference(colours):
    """The least difference of any two colours in the eyes that see the least."""
    return min(
        np.linalg.norm(a - b)
        for matrix in (np.eye(3), *MACHADO.values())
        for a, b in itertools.combinations(appearance(colours, matrix), 2)
    )


def test_the_34_colours_differ_in_all_eyes():
    assert least_difference([*PALETTE, IGNORE_COLOUR]) > 12


@pytest.mark.parametrize("kind", VIENOT)
def test_they_differ_by_another_simulation_too(kind):
    lab = appearance([*PALETTE, IGNORE_COLOUR], VIENOT[kind])
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > 6


def test_every_value_of_a_pixel_has_a_colour_of_its_own():
    assert len(COLOURS) == len(set(COLOURS)) == 256
    assert all(0 <= value <= 255 for colour in COLOURS for value in colour)
    assert COLOURS[: len(CLASSES)] == PALETTE
    assert COLOURS[IGNORE_INDEX] == IGNORE_COLOUR


@pytest.mark.parametrize(("count", "apart"), [(35, 12), (60, 8), (100, 6)])
def test_the_first_further_colours_differ_most(count, apart):
    assert least_difference([IGNORE_COLOUR, *COLOURS[:count]]) > apart


def test_known_classes_keep_their_colour_and_new_ones_get_a_distinct_one():
    names = ("lion", "sky", "zebra", *(f"thing {i}" for i in range(20)))
    colours = palette(names)
    assert colours[1] == PALETTE[CLASSES.index("sky")]
    assert colours[:3] == palette(names[:3])
    assert least_difference([*colours, IGNORE_COLOUR]) > 12
    assert palette(CLASSES) == PALETTE
    assert len(set(palette([*CLASSES, *(f"{i}" for i in range(221))]))) == 255


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_colourise_looks_every_class_up(kind):
    picture = colourise(kind([[0, 33, 255], [34, -1, 13]]))
    assert picture.dtype == np.uint8
    grey = list(IGNORE_COLOUR)
    assert picture.tolist() == [
        [list(PALETTE[0]), list(PALETTE[33]), grey],
        [grey, grey, list(PALETTE[13])],
    ]
