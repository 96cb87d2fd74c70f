"""What a long restoration says at its beginning: how it is cut, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable

from segsr.batch import SCALE
from segsr.inference.bands import bands
from segsr.inference.memory import Layout
from segsr.model.joint import JointModel

LONG = 60.0
"""Seconds from which on a restoration says how long it will take."""


class Forecast:
    """Tells once, after the second tile, how long all will take; to be called after every tile.

    Of the time before the first tile, the prior's and the masks' of the first band, the latter
    comes again with every band; the former is small beside many bands.

    Args:
        model: That restores.
        size: Height and width of the photograph in LQ pixels.
        layout: How it is cut.
        steps: Of the sampler.
        tell: Hears of it, if it is `LONG`.
        clock: Seconds.
    """

    def __init__(
        self,
        model: JointModel,
        size: tuple[int, int],
        layout: Layout,
        steps: int,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        height, width = size
        factor = model.mask.factor
        rows, starts = bands(height, layout)
        across = -(-width // layout.step) * layout.step
        cells = (SCALE * rows // factor, SCALE * across // factor)
        self.bands = len(starts)
        self.tiles = len(layout.tiling.windows(*cells))
        self.side = min(layout.tiling.size * factor, SCALE * max(height, width))
        self.what = f"{SCALE * width}x{SCALE * height} px"
        self.steps, self.tell, self.clock = steps, tell, clock
        self.begin, self.seen, self.first = clock(), 0, 0.0

    def __call__(self) -> None:
        """One more tile is done."""
        self.seen += 1
        if self.seen == 1:
            self.first = self.clock() - self.begin
        if self.seen != 2:
            return
        tile = self.clock() - self.begin - self.first
        before = max(self.first - tile, 0.0)
        seconds = self.bands * self.steps * (before + self.tiles * tile)
        if seconds >= LONG:
            cut = f"{self.tiles} tiles of {self.side} px"
            if self.bands > 1:
                cut = f"{self.bands} bands of {cut}"
            self.tell(f"{self.what} in {cut}: about {_spoken(seconds)}")


def _spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{seconds / 3600:.1f} h"
