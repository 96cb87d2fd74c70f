"""Degraded pairs with masks."""

from __future__ import annotations

from typing import ClassVar

from segsr.data.pair import PairDataModule


class MaskedPairDataModule(PairDataModule):
    """A `PairDataModule` whose batches also hold `mask`.

    Every training source must name a folder of masks or be `unknown`; an evaluation source without
    one yields batches without masks.
    """

    with_masks: ClassVar[bool] = True
