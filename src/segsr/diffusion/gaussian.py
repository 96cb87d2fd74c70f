"""The Gaussian side: forward process and the conversions between its prediction types.

`abar` is the cumulative product of alphas at each sample's t, shaped to broadcast. The reverse
steps are those of the diffusers schedulers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction", "sample"]


def check_prediction_type(name: str) -> PredictionType:
    """Return `name` if it is a prediction type that diffusers and we share.

    Raises:
        ValueError: For any other name.
    """
    for known in get_args(PredictionType):
        if name == known:
            return cast(PredictionType, known)
    raise ValueError(
        f"prediction_type is {name!r}, but must be one of {', '.join(get_args(PredictionType))}."
    )


def draw_normal(
    like: Float[Tensor, "b *s"], generators: Sequence[torch.Generator]
) -> Float[Tensor, "b *s"]:
    """Standard normal noise shaped as `like`, each sample from its own generator."""
    shape = like.shape[1:]
    drawn = [torch.randn(shape, generator=g, device=g.device) for g in generators]
    return torch.stack(drawn).to(like)


def q_sample(
    x0: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"], abar: Float[Tensor, "#b 1 1 1"]
) -> Float[Tensor, "b c h w"]:
    """x_t = sqrt(abar) x0 + sqrt(1 - abar) noise."""
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def target(
    kind: PredictionType,
    x0: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    abar: Float[Tensor, "#b 1 1 1"],
) -> Float[Tensor, "b c h w"]:
    """What the network is trained on: noise, x0, or v = sqrt(abar) noise - sqrt(1 - abar) x0."""
    if kind == "epsilon":
        return noise
    if kind == "sample":
        return x0
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0


def predict_x0(
    kind: PredictionType,
    output: Float[Tensor, "b c h w"],
    x_t: Float[Tensor, "b c h w"],
    abar: Float[Tensor, "#b 1 1 1"],
) -> Float[Tensor, "b c h w"]:
    """The x0 that a network's `output` at `x_t` implies."""
    if kind == "epsilon":
        return (x_t - (1 - abar).sqrt() * output) / abar.sqrt()
    if kind == "sample":
        return output
    return abar.sqrt() * x_t - (1 - abar).sqrt() * output


def guide(
    conditional: Float[Tensor, "b c h w"], unconditional: Float[Tensor, "b c h w"], scale: float
) -> Float[Tensor, "b c h w"]:
    """Extrapolate from the unconditional prediction through the conditional one (scale 1)."""
    return unconditional + scale * (conditional - unconditional)
