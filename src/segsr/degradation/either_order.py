"""Two groups of stages in a random order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr.degradation import draws
from segsr.degradation.draws import Number
from segsr.degradation.stage import Params, Stage, apply_all


@dataclass(frozen=True)
class EitherOrder:
    """Two groups of stages, one after the other, in a random order.

    Args:
        first: Stages by name.
        second: Stages by name.
        prob: Probability that `first` comes first.

    Raises:
        SegSRError: A probability that makes no sense.
    """

    first: Mapping[str, Stage]
    second: Mapping[str, Stage]
    prob: Number = 0.5

    def __post_init__(self) -> None:
        draws.check_probability(prob=self.prob)

    def draw(self, generator: torch.Generator) -> Params:
        """The order, and the parameters of both groups by stage."""
        return {
            "in_order": draws.chance(self.prob, generator),
            "first": {name: stage.draw(generator) for name, stage in self.first.items()},
            "second": {name: stage.draw(generator) for name, stage in self.second.items()},
        }

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image through both groups, in its own order."""
        result = list(images)
        for in_order in (True, False):
            chosen = [i for i, drawn in enumerate(params) if drawn["in_order"] == in_order]
            changed = [images[i] for i in chosen]
            for group in ("first", "second") if in_order else ("second", "first"):
                drawn = [params[i][group] for i in chosen]
                changed = apply_all(getattr(self, group), changed, drawn, lq_size)
            for i, image in zip(chosen, changed, strict=True):
                result[i] = image
        return result
