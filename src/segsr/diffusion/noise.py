"""Noise by position: a picture restored in pieces meets the same numbers as one restored whole.

The latent grid is divided into blocks of `BLOCK` x `BLOCK` cells. Each block of each draw has its
own generator, keyed by the picture, what is drawn and where the block lies; so a window of the
grid has its noise whatever else is drawn, in whatever order and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from segsr.seeding import generator

BLOCK = 32
"""Cells along a side of what one generator draws."""

ROWS = 4 * BLOCK
"""Rows at a time of what would take much memory."""

Key = tuple[int | str, ...]


@dataclass(frozen=True)
class Noise:
    """The random numbers of a batch of pictures, on the CPU.

    Attributes:
        keys: Of each picture, such as (seed, file name).
        top: Row of the pictures' latent grids where the windows that are asked for begin.
        left: Column of the same.
    """

    keys: Sequence[Key]
    top: int = 0
    left: int = 0

    def moved(self, top: int, left: int = 0) -> Noise:
        """Return the noise of windows that begin at (`top`, `left`) of these ones."""
        return replace(self, top=self.top + top, left=self.left + left)

    def rows(self, height: int) -> Iterator[slice]:
        """Yield `height` rows in parts that no block crosses."""
        first = -(self.top % ROWS)
        for start in range(first, height, ROWS):
            yield slice(max(start, 0), min(start + ROWS, height))

    def normal(self, shape: Sequence[int], *what: int | str) -> Float[Tensor, "b c h w"]:
        """Return standard normal numbers, `shape` (C, h, w) for each picture.

        Args:
            shape: Of one picture's window.
            *what: What they are for; each draw of a restoration has its own.
        """
        return self._draw(shape, what, lambda size, g: torch.randn(size, generator=g))

    def uniform(self, shape: Sequence[int], *what: int | str) -> Float[Tensor, "b k h w"]:
        """Return numbers from [0, 1), `shape` (K, h, w) for each picture; see `normal`."""
        return self._draw(shape, what, lambda size, g: torch.rand(size, generator=g))

    def classes(
        self, num_classes: int, shape: Sequence[int], *what: int | str
    ) -> Int[Tensor, "b h w"]:
        """Return uniformly random classes, `shape` (h, w) for each picture; see `normal`."""
        return self._draw(
            shape, what, lambda size, g: torch.randint(num_classes, size, generator=g)
        )

    def _draw(
        self,
        shape: Sequence[int],
        what: Key,
        draw: Callable[[Sequence[int], torch.Generator], Tensor],
    ) -> Tensor:
        *channels, height, width = shape
        found: Tensor | None = None
        for i, key in enumerate(self.keys):
            for row, into_rows, from_rows in _blocks(self.top, height):
                for column, into_columns, from_columns in _blocks(self.left, width):
                    numbers = draw((*channels, BLOCK, BLOCK), generator(*key, *what, row, column))
                    if found is None:
                        found = numbers.new_empty(len(self.keys), *shape)
                    part = numbers[..., from_rows, from_columns]
                    found[i, ..., into_rows, into_columns] = part
        assert found is not None
        return found


def keyed(*key: int | str) -> Noise:
    """Return the noise of one picture."""
    return Noise([key])


@contextmanager
def drawing(noise: Noise, *what: int | str) -> Iterator[None]:
    """Within it, `torch.randn` of (B, C, h, w) returns `noise`, so that a scheduler adds that.

    A scheduler of diffusers draws what its step adds by itself, and takes no numbers but those of
    a `torch.Generator`, which knows no positions.
    """
    with _Drawing(noise, what):
        yield


class _Drawing(TorchFunctionMode):
    def __init__(self, noise: Noise, what: Key) -> None:
        super().__init__()
        self.noise = noise
        self.what = what
        self.calls = count()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.randn:
            return func(*args, **kwargs)
        (size,) = args
        drawn = self.noise.normal(size[1:], *self.what, next(self.calls))
        return drawn.to(device=kwargs.get("device"), dtype=kwargs.get("dtype"))


def _blocks(start: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """The blocks that `length` cells from `start` on touch, their places there and in the block."""
    for block in range(start // BLOCK, -(-(start + length) // BLOCK)):
        first, end = max(BLOCK * block, start), min(BLOCK * (block + 1), start + length)
        origin = BLOCK * block
        yield block, slice(first - start, end - start), slice(first - origin, end - origin)
