"""The 34 classes of segsr, their colours, and the maps from other vocabularies.

The paper's list is not published; this one merges ADE20K's classes, in words that open-vocabulary
labelers know. An image without a class for a pixel holds `IGNORE_INDEX` there.
"""

from __future__ import annotations

from collections.abc import Mapping
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
"""Names by class index; also the prompts of an open-vocabulary labeler."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "sky": ("clouds",),
    "mountain": ("hill",),
    "rock": ("stone",),
    "building": ("house", "skyscraper", "tower"),
    "tree": ("palm tree", "forest"),
    "grass": ("lawn", "field"),
    "plant": ("bush", "shrub"),
    "water": ("river", "lake", "waterfall", "swimming pool"),
    "sea": ("ocean",),
    "sand": ("beach", "desert"),
    "ground": ("earth", "dirt", "gravel"),
    "road": ("street", "runway"),
    "pavement": ("sidewalk", "footpath"),
    "fence": ("railing", "banister"),
    "floor": ("rug", "carpet"),
    "table": ("desk", "counter"),
    "chair": ("armchair", "bench", "stool"),
    "sofa or bed": ("sofa", "bed", "couch", "cushion"),
    "cabinet": ("shelf", "wardrobe", "bookcase", "chest of drawers"),
    "sign": ("signboard", "poster"),
    "animal": ("dog", "cat", "horse", "cow", "sheep"),
    "vehicle": ("car", "bus", "truck", "motorcycle", "bicycle", "train", "airplane"),
    "boat": ("ship",),
}
"""Other words for a class, which an open-vocabulary labeler may look for as well."""

OST_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "sky": ("sky",),
    "water": ("water", "sea"),
    "grass": ("grass",),
    "mountain": ("mountain", "rock", "snow"),
    "building": ("building", "wall", "window", "door", "roof", "bridge"),
    "plant": ("tree", "plant", "flower"),
    "animal": ("animal", "bird"),
}
"""The seven outdoor categories of SFTGAN's OutdoorScene data (OST) as groups of our classes; what
is in none is its background."""

PALETTE: tuple[tuple[int, int, int], ...] = (
    (149, 212, 255),  # sky
    (100, 72, 130),  # mountain
    (131, 126, 121),  # rock
    (217, 114, 68),  # building
    (38, 111, 15),  # tree
    (171, 253, 115),  # grass
    (119, 190, 112),  # plant
    (243, 84, 172),  # flower
    (30, 142, 251),  # water
    (45, 83, 172),  # sea
    (196, 203, 162),  # sand
    (234, 253, 255),  # snow
    (113, 69, 44),  # ground
    (80, 92, 106),  # road
    (179, 209, 217),  # pavement
    (162, 146, 227),  # bridge
    (221, 174, 81),  # fence
    (197, 171, 167),  # wall
    (52, 183, 200),  # window
    (100, 37, 0),  # door
    (189, 36, 18),  # roof
    (138, 110, 78),  # floor
    (255, 243, 213),  # ceiling
    (150, 1, 80),  # curtain
    (68, 34, 19),  # table
    (254, 159, 37),  # chair
    (80, 14, 164),  # sofa or bed
    (122, 156, 115),  # cabinet
    (255, 222, 15),  # sign
    (231, 14, 77),  # person
    (182, 131, 0),  # animal
    (104, 255, 152),  # bird
    (16, 35, 111),  # vehicle
    (17, 137, 151),  # boat
)
"""RGB by class index, in 0..255: natural colours, moved apart until any two differ by 12 or more in
CIELAB, to the normal eye and to the three kinds of dichromats."""

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
