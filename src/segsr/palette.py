"""One table of colours for masks: by pixel value, told apart by colour-blind people too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES

Colour = tuple[int, int, int]
"""RGB in 0..255."""

PALETTE: tuple[Colour, ...] = (
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
"""The colours of segsr's classes by index: natural colours, moved apart until any two differ by 12
or more in CIELAB, to the normal eye and to the three kinds of dichromats (Machado, Oliveira,
Fernandes 2009)."""

_FURTHER = bytes.fromhex(
    """
    8040ff 000000 4000e0 c040e0 200040 200020 e0ff60 602060 a060c0 000060 004080 e0e0ff 8040e0
    6040c0 a0e0c0 ff80ff 002040 00e060 ff00ff 8060a0 e0a0e0 ff80c0 00a0a0 ffff00 8020a0 80e040
    608020 60a060 ff4060 60c080 c060e0 ffe0e0 8000ff c0e080 8020e0 40c0ff c00060 a040c0 202020
    a06080 400080 606040 404040 ff60e0 c04060 6020c0 e00000 0000a0 80a020 40ffe0 c060ff 004020
    e0e060 400000 204000 4000c0 80ff40 0000ff ff60c0 400040 6060c0 c0a060 a04080 a0c020 c0ffc0
    402040 800020 402080 a0a0a0 800040 400060 804020 c0c0e0 600060 606080 6020a0 ffa0c0 ff8040
    e0c080 a0ff80 002000 a04040 c020a0 a06040 ffffa0 000080 a0c0a0 40c040 408080 0060ff 802060
    2040ff 602080 c08060 ffc000 ff40c0 00ff60 4080e0 8080a0 604000 a020a0 a08020 4080c0 ffc0c0
    60e020 ffe0a0 a0a0e0 a040e0 a0a080 806020 4060a0 e08040 4080ff c06040 e0c0ff 60e080 006040
    a020e0 40e0a0 008060 a0a0ff e0e0c0 606000 0040c0 80c0e0 8040c0 ffffe0 c0a020 c08080 a02060
    804040 ff4000 00ffff e080a0 c0c040 408040 e060a0 e0a080 e00060 406020 402060 ffa060 402020
    a0e060 80e0e0 60a080 000040 8000e0 0060c0 e040e0 808080 c080c0 e0a060 4020c0 00ffa0 002080
    004040 a0e0a0 80c0c0 e00020 60a0e0 404020 ffc0e0 00e0ff c0ff20 000020 a0ffff 00c0c0 a0e0ff
    00a020 6000e0 604080 a08060 608060 204060 a06020 c0a0a0 c0e000 ffc060 a060ff ff2060 a040ff
    404080 8080ff a0a060 4000a0 40ffc0 e08000 200000 a020ff c00020 c06080 ffa080 c0a0ff e0c0c0
    0020ff c0c0c0 e08060 a060a0 00c000 e0e0e0 e08080 e0a000 a0a040 e000a0 008020 a0ffa0 ffffff
    2040a0 c02040 c0a0e0 ffa0e0 e0c040 ffa0a0 ffffc0 a080a0 e06000 ffe080 80c060 808060 a08080
    """
)

IGNORE_COLOUR: Colour = (48, 48, 48)
"""RGB of `IGNORE_INDEX`."""

COLOURS: tuple[Colour, ...] = (
    *PALETTE,
    *zip(_FURTHER[::3], _FURTHER[1::3], _FURTHER[2::3], strict=True),
    IGNORE_COLOUR,
)
"""RGB of each of the 256 values of a pixel. After `PALETTE` each is the colour, of a grid, that is
farthest from all before it in the eyes that see the least difference."""


def palette(names: Sequence[str]) -> tuple[Colour, ...]:
    """Return a colour for each class: its own if segsr has the class, else one that is free.

    Free colours are taken in the order of `COLOURS`, so that the first are farthest apart.

    Args:
        names: Different names of classes, at most 255.
    """
    own = dict(zip(CLASSES, PALETTE, strict=True))
    taken = {own[name] for name in names if name in own}
    free = (colour for colour in COLOURS[:IGNORE_INDEX] if colour not in taken)
    return tuple(own[name] if name in own else next(free) for name in names)


def colourise(mask: Any) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) of a class map, in the colours of `PALETTE`.

    Args:
        mask: Integers (H, W), an array or a CPU tensor; what is no class becomes dark grey.
    """
    labels = np.asarray(mask)
    known = (labels >= 0) & (labels < len(PALETTE))
    colours = np.array(COLOURS, dtype=np.uint8)
    picture: npt.NDArray[np.uint8] = colours[np.where(known, labels, IGNORE_INDEX)]
    return picture
