"""Colours for any list of classes, told apart by colour-blind people too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import kornia
import numpy as np
import numpy.typing as npt
import torch

from segsr.classes import CLASSES, IGNORE_COLOUR, PALETTE

Colour = tuple[int, int, int]
"""RGB in 0..255."""

_STEP = 32
_DICHROMATS = (  # Machado, Oliveira, Fernandes 2009, severity 1: protan, deutan, tritan; linear RGB
    (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
)


def palette(names: Sequence[str]) -> tuple[Colour, ...]:
    """Return a colour for each class: that of `PALETTE` if segsr has the class, else a free one.

    A free colour is the one of a grid that is farthest from all colours given so far, in the eyes
    that see the least difference. So it depends on the names before it alone.

    Args:
        names: Different names of classes, at most 255.
    """
    own = dict(zip(CLASSES, PALETTE, strict=True))
    given = [IGNORE_COLOUR, *(own[name] for name in names if name in own)]
    levels = [min(level, 255) for level in range(0, 257, _STEP)]
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    candidates = appearances(grid)
    nearest = np.min([_distance(candidates, colour) for colour in given], axis=0)
    colours = []
    for name in names:
        if name not in own:
            best = int(nearest.argmax())
            red, green, blue = grid[best].tolist()
            own[name] = (red, green, blue)
            nearest = np.minimum(nearest, _distance(candidates, own[name]))
        colours.append(own[name])
    return tuple(colours)


@cache
def colours_of(count: int) -> tuple[Colour, ...]:
    """Return a colour for each of `count` classes whose names are not known.

    The first are those of `PALETTE`.
    """
    further = [f"class {index}" for index in range(len(CLASSES), count)]
    return palette([*CLASSES, *further])[:count] if further else PALETTE[:count]


def appearances(colours: Any) -> npt.NDArray[np.float64]:
    """Return how `colours`, RGB (n, 3) in 0..255, look, (4, n, 3) in CIELAB (D65).

    First to the normal eye, then to protanopes, deuteranopes and tritanopes.
    """
    rgb = torch.as_tensor(np.asarray(colours), dtype=torch.float64).T[..., None] / 255
    linear = kornia.color.rgb_to_linear_rgb(rgb)
    views = [rgb]
    for matrix in torch.tensor(_DICHROMATS, dtype=torch.float64):
        seen = torch.einsum("ij,jnk->ink", matrix, linear).clamp(0, 1)
        views.append(kornia.color.linear_rgb_to_rgb(seen))
    return np.stack([kornia.color.rgb_to_lab(view)[..., 0].T.numpy() for view in views])


def _distance(
    candidates: npt.NDArray[np.float64], colour: Sequence[int]
) -> npt.NDArray[np.float64]:
    """The difference (n,) of each candidate to `colour` in the eyes that see the least."""
    apart: npt.NDArray[np.float64] = np.linalg.norm(candidates - appearances([colour]), axis=2)
    least: npt.NDArray[np.float64] = apart.min(axis=0)
    return least
