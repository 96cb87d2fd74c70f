from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import rgb2lab

from segsr.classes import CLASSES, IGNORE_COLOUR, PALETTE
from segsr.palette import appearances, palette

# Vienot, Brettel, Mollon 1999: another simulation of protanopia and deuteranopia, linear RGB
VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def least_difference(lab):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))


def test_normal_sight_is_scikit_images_cielab():
    ours = appearances(PALETTE)[0]
    assert np.abs(ours - rgb2lab(np.array(PALETTE)[None] / 255)[0]).max() < 0.02


def test_the_34_colours_differ_in_all_eyes():
    for lab in appearances([*PALETTE, IGNORE_COLOUR]):
        assert least_difference(lab) > 12


@pytest.mark.parametrize("kind", VIENOT)
def test_they_differ_by_another_simulation_too(kind):
    srgb = np.array([*PALETTE, IGNORE_COLOUR]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.array(VIENOT[kind]).T).clip(0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    assert least_difference(rgb2lab(back[None])[0]) > 6


def test_greys_look_grey_to_everyone():
    lab = appearances([(90, 90, 90), (200, 200, 200)])
    assert np.abs(lab[..., 1:]).max() < 0.5


def test_known_classes_keep_their_colour_and_new_ones_get_a_distinct_one():
    names = ("lion", "sky", "zebra", *(f"thing {i}" for i in range(20)))
    colours = palette(names)
    assert colours[1] == PALETTE[CLASSES.index("sky")]
    assert colours[:3] == palette(names[:3])
    for lab in appearances([*colours, IGNORE_COLOUR]):
        assert least_difference(lab) > 14
    assert palette(CLASSES) == PALETTE
    assert len(set(palette([f"{i}" for i in range(255)]))) == 255
