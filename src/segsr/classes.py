"""The 34 classes of segsr, their colours, and the maps from other vocabularies.

The paper's list is not published; this one merges ADE20K's classes, in words that open-vocabulary
labellers know. An image without a class for a pixel holds `IGNORE_INDEX` there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segsr.batch import IGNORE_INDEX

CLASSES = (
    "sky",
    "mountain",
    "rock",
    "building",
    "tree",
    "grass",
    "plant",
    "flower",
    "water",
    "sea",
    "sand",
    "snow",
    "ground",
    "road",
    "pavement",
    "bridge",
    "fence",
    "wall",
    "window",
    "door",
    "roof",
    "floor",
    "ceiling",
    "curtain",
    "table",
    "chair",
    "sofa or bed",
    "cabinet",
    "sign",
    "person",
    "animal",
    "bird",
    "vehicle",
    "boat",
)
"""Names by class index; also the prompts of an open-vocabulary labeller."""

PALETTE: tuple[tuple[int, int, int], ...] = (
    (135, 206, 250),  # sky
    (112, 106, 158),  # mountain
    (132, 124, 116),  # rock
    (178, 84, 60),  # building
    (28, 110, 44),  # tree
    (124, 200, 62),  # grass
    (64, 156, 104),  # plant
    (240, 98, 168),  # flower
    (62, 140, 220),  # water
    (20, 72, 160),  # sea
    (236, 212, 148),  # sand
    (240, 248, 255),  # snow
    (150, 104, 62),  # ground
    (96, 96, 104),  # road
    (188, 180, 188),  # pavement
    (160, 132, 200),  # bridge
    (204, 160, 84),  # fence
    (222, 196, 172),  # wall
    (92, 212, 220),  # window
    (130, 60, 20),  # door
    (214, 52, 40),  # roof
    (196, 150, 112),  # floor
    (250, 238, 206),  # ceiling
    (156, 40, 110),  # curtain
    (112, 74, 40),  # table
    (230, 140, 30),  # chair
    (110, 40, 170),  # sofa or bed
    (86, 110, 60),  # cabinet
    (255, 220, 0),  # sign
    (220, 20, 60),  # person
    (180, 130, 0),  # animal
    (0, 230, 160),  # bird
    (30, 40, 120),  # vehicle
    (0, 128, 128),  # boat
)
"""RGB by class index, in 0..255; natural colours where a class has one."""

IGNORE_COLOUR = (48, 48, 48)
"""RGB of `IGNORE_INDEX`."""


def colourise(mask: Any) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) of a class map, in the colours of `PALETTE`.

    Args:
        mask: Integers (H, W), an array or a CPU tensor; what is no class becomes dark grey.
    """
    colours = np.full((256, 3), IGNORE_COLOUR, dtype=np.uint8)
    colours[: len(PALETTE)] = PALETTE
    labels = np.asarray(mask)
    known = (labels >= 0) & (labels < len(PALETTE))
    picture: npt.NDArray[np.uint8] = colours[np.where(known, labels, IGNORE_INDEX)]
    return picture
