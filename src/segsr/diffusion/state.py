"""What moves in the reverse process: both states on one grid, and windows of that grid."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


class Window(NamedTuple):
    """A rectangle of the latent grid, in cells."""

    top: int
    left: int
    height: int
    width: int

    def of(self, grid: Tensor, factor: int = 1) -> Tensor:
        """Return the view of `grid` (..., h, w) inside; `factor` of its pixels make a cell."""
        rows = slice(factor * self.top, factor * (self.top + self.height))
        columns = slice(factor * self.left, factor * (self.left + self.width))
        return grid[..., rows, columns]


class State(NamedTuple):
    """The noisy states at one time.

    Attributes:
        latents: The image's, z_t.
        masks: The mask's, S_t: classes.
    """

    latents: Float[Tensor, "b c h w"]
    masks: Int[Tensor, "b h w"]

    def crop(self, window: Window) -> State:
        """Return the states inside `window`."""
        return State(window.of(self.latents), window.of(self.masks))
