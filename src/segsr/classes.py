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
