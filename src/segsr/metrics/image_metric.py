"""What an evaluation asks of a metric: its columns, its inputs, one measurement per image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from segsr.metrics.column import Column

Inputs = Mapping[str, Tensor]
"""Images of one size, by role.

| role       | tensor                                                               |
|------------|----------------------------------------------------------------------|
| `restored` | float (b, 3, h, w), RGB of 8 bits in [0, 1]: a method's results       |
| `hq`       | the same, the true photographs                                       |
| `mask`     | int64 (b, h, w): a method's masks, classes or IGNORE_INDEX            |
| `label`    | int64 (b, h, w): the true masks                                      |
"""


@runtime_checkable
class ImageMetric(Protocol):
    """A metric over an image set."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The numbers it gives, one or several of one measurement."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The roles it looks at."""
        ...

    def __call__(self, images: Inputs) -> Mapping[str, Tensor]:
        """Return each column's field as a tensor (b, ...): one measurement per image.

        Raises:
            SegSRError: If an image cannot be measured, because it is too small, say.
        """
        ...
