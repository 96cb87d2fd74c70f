"""The 34 classes of segsr, their colours, and the maps from other vocabularies.

The paper's list is not published; this one merges ADE20K's classes, in words that open-vocabulary
labellers know. An image without a class for a pixel holds `IGNORE_INDEX` there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError

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
"""Other words for a class, which an open-vocabulary labeller may look for as well."""

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

_INDEX = {name: index for index, name in enumerate(CLASSES)}

IDENTITY: Mapping[int, int] = {index: index for index in range(len(CLASSES))}
"""Labels that are class indices already."""

LABELMEFACADE: Mapping[int, int] = {
    0: IGNORE_INDEX,  # various
    1: _INDEX["building"],
    2: _INDEX["vehicle"],  # car
    3: _INDEX["door"],
    4: _INDEX["pavement"],
    5: _INDEX["road"],
    6: _INDEX["sky"],
    7: _INDEX["tree"],  # vegetation: street trees, some bushes and lawns
    8: _INDEX["window"],
}
"""LabelMeFacade's 9 labels to class indices."""

CAMVID: Mapping[int, int] = {
    0: _INDEX["sky"],
    1: _INDEX["building"],
    2: IGNORE_INDEX,  # pole
    3: _INDEX["road"],
    4: _INDEX["pavement"],
    5: _INDEX["tree"],
    6: _INDEX["sign"],
    7: _INDEX["fence"],
    8: _INDEX["vehicle"],  # car
    9: _INDEX["person"],  # pedestrian
    10: _INDEX["person"],  # bicyclist
    11: IGNORE_INDEX,  # unlabelled
}
"""CamVid's labels, in SegNet's version of 12, to class indices."""

_ADE20K_IDS: Mapping[str, tuple[int, ...]] = {  # "snow" and "bird" have none
    "sky": (2,),
    "mountain": (16, 68),
    "rock": (34,),
    "building": (1, 25, 48, 84, 79),
    "tree": (4, 72),
    "grass": (9, 29),
    "plant": (17,),
    "flower": (66,),
    "water": (21, 60, 128, 113, 109, 104),
    "sea": (26,),
    "sand": (46,),
    "ground": (13, 94, 91, 52),
    "road": (6, 54),
    "pavement": (11,),
    "bridge": (61, 140),
    "fence": (32, 38, 95),
    "wall": (0,),
    "window": (8, 63),
    "door": (14, 58),
    "roof": (86, 106),
    "floor": (3, 28),
    "ceiling": (5,),
    "curtain": (18,),
    "table": (15, 33, 64, 45, 70, 73),
    "chair": (19, 30, 31, 75, 110, 69, 97),
    "sofa or bed": (23, 7, 39, 57),
    "cabinet": (10, 24, 35, 44, 62, 55),
    "sign": (43, 100, 144, 123),
    "person": (12,),
    "animal": (126,),
    "vehicle": (20, 80, 83, 102, 116, 127, 90),
    "boat": (76, 103),
}

ADE20K: Mapping[int, int] = {i: IGNORE_INDEX for i in range(150)} | {
    i: _INDEX[name] for name, ids in _ADE20K_IDS.items() for i in ids
}
"""ADE20K-150's labels, counted from 0, to class indices."""


def lookup_table(class_map: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """A table (256,) such that `table[labels]` are our classes; labels not in the map are ignored.

    Args:
        class_map: Source label, in 0..255, to class index or `IGNORE_INDEX`.

    Raises:
        SegSRError: A label or a class is out of range.
    """
    table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    for label, index in class_map.items():
        if not 0 <= label <= 255 or not (0 <= index < len(CLASSES) or index == IGNORE_INDEX):
            raise SegSRError(
                f"class map entry {label}: {index} is out of range: labels are 0 to 255, "
                f"classes 0 to {len(CLASSES) - 1} or {IGNORE_INDEX} to ignore"
            )
        table[label] = index
    return table


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
