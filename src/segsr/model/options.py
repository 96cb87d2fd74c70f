"""How a restoration is sampled: one value, handed from the command line down to the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from segsr.errors import SegSRError

Start = Literal["noise", "lq"]
Colour = Literal["none", "adain", "wavelet"]


@dataclass(frozen=True)
class SamplingOptions:
    """What a user may choose of a restoration; None takes the model's own.

    Attributes:
        steps: Sampling steps.
        guidance: Semantic guidance scale: 0 restores without the mask, 1 as trained, more
            exaggerates what the mask changes.
        exchange: Whether the mask sees the image at every step (I_t); else SegDM runs on its own.
        start: Start from pure noise, or from the LQ latent noised to the first timestep; None is
            `noise` at full strength and `lq` below it.
        temperature: Standard deviation of the noise the image starts from. 1 samples; less trades
            invented detail for fidelity, as far as 0, a deterministic estimate.
        fidelity: Weight of the LQ photograph's own features in the controllable decoder, 0 to 1.
        strength: How much is restored, from 1, as the model does, to 0, the photograph enlarged
            bicubically. It multiplies temperature, guidance and the difference between the two.
        colour: Where colours come from: the model (`none`), or the photograph, by each channel's
            mean and deviation (`adain`) or by all that is coarse (`wavelet`).

    Raises:
        SegSRError: If a value is out of its range.
    """

    steps: int | None = None
    guidance: float | int = 1.0
    exchange: bool = True
    start: Start | None = None
    temperature: float | int | None = None
    fidelity: float | int | None = None
    strength: float | int = 1.0
    colour: Colour | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise SegSRError(f"steps is {self.steps}, but a restoration takes at least 1.")
        for name, words in (("start", Start), ("colour", Colour)):
            chosen = getattr(self, name)
            if chosen is not None and chosen not in get_args(words):
                known = " or ".join(get_args(words))
                raise SegSRError(f"{name} is {chosen!r}, but must be {known}.")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise SegSRError(f"temperature is {self.temperature}, but must be 0 or more.")
        if self.fidelity is not None and not 0 <= self.fidelity <= 1:
            raise SegSRError(f"fidelity is {self.fidelity}, but must be from 0 to 1.")
        if not 0 <= self.strength <= 1:
            raise SegSRError(f"strength is {self.strength}, but must be from 0 to 1.")
        if not abs(self.guidance) < float("inf"):
            raise SegSRError(f"guidance is {self.guidance}, but must be a number.")

    @property
    def begins_at_lq(self) -> bool:
        """Whether the first state is the noised LQ latent."""
        return self.strength < 1 if self.start is None else self.start == "lq"

    @property
    def semantic_guidance(self) -> float:
        """The guidance scale that is used: the one given, times `strength`."""
        return float(self.guidance * self.strength)
