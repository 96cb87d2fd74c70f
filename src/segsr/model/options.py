"""How a restoration is sampled: one value, handed from the command line down to the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from segsr.errors import SegSRError

Start = Literal["noise", "lq", "latent"]


@dataclass(frozen=True)
class SamplingOptions:
    """What a user may choose of a restoration; None takes the model's own.

    Attributes:
        steps: Sampling steps.
        guidance: Semantic guidance scale: 0 restores without the mask, 1 as trained, more
            exaggerates what the mask changes.
        exchange: Whether the mask sees the image at every step (I_t); else SegDM runs on its own.
        start: Start from pure noise, from the LQ latent noised to the first timestep (`lq`), or
            from that latent as it is (`latent`).
        temperature: Standard deviation of the noise the image starts from. 1 samples; less trades
            invented detail for fidelity, as far as 0, a deterministic estimate.
        fidelity: Weight of the LQ photograph's own features in the controllable decoder, 0 to 1.

    Raises:
        SegSRError: If a value is out of its range.
    """

    steps: int | None = None
    guidance: float | int = 1.0
    exchange: bool = True
    start: Start | None = None
    temperature: float | int | None = None
    fidelity: float | int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise SegSRError(f"steps is {self.steps}, but a restoration takes at least 1.")
        if self.start is not None and self.start not in get_args(Start):
            known = ", ".join(get_args(Start))
            raise SegSRError(f"start is {self.start!r}, but must be one of {known}.")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise SegSRError(f"temperature is {self.temperature}, but must be 0 or more.")
        if self.fidelity is not None and not 0 <= self.fidelity <= 1:
            raise SegSRError(f"fidelity is {self.fidelity}, but must be from 0 to 1.")
        if not abs(self.guidance) < float("inf"):
            raise SegSRError(f"guidance is {self.guidance}, but must be a number.")
