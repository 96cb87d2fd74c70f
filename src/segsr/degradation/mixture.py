"""Several recipes at once: each sample goes through one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from segsr.degradation import draws
from segsr.degradation.draws import Number
from segsr.degradation.pipeline import Degradation
from segsr.errors import SegSRError


@dataclass(frozen=True)
class Mixture:
    """A degradation that draws a recipe for each sample.

    Args:
        recipes: By name.
        weights: How often each is drawn, in any common scale; equally if empty.

    Raises:
        SegSRError: There is no recipe, or a weight is of none.
    """

    recipes: Mapping[str, Degradation]
    weights: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.recipes:
            raise SegSRError("a mixture needs recipes: name at least one")
        if self.weights:
            draws.check_options("weights", list(self.weights), tuple(self.recipes))

    def __call__(self, hq: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """(HQ, LQ) of a batch; see `Degradation`."""
        weights = self.weights or dict.fromkeys(self.recipes, 1)
        names = [draws.weighted(weights, generator) for generator in generators]
        pairs: dict[int, tuple[Tensor, Tensor]] = {}
        for name, recipe in self.recipes.items():
            chosen = [i for i, drawn in enumerate(names) if drawn == name]
            if chosen:
                sharp, lq = recipe(hq[chosen], [generators[i] for i in chosen])
                pairs |= dict(zip(chosen, zip(sharp, lq, strict=True), strict=True))
        done = [pairs[i] for i in range(len(hq))]
        return torch.stack([pair[0] for pair in done]), torch.stack([pair[1] for pair in done])
