"""Noise schedules on the shared clock: t = 0..T-1, where T-1 is the noisiest step.

Every table is float64 of length T; the clean state before step 0 has no index and abar = 1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from segsr.errors import SegSRError

TIMESTEPS = 1000
"""Steps of the shared clock, Stable Diffusion's."""


def linear_abar(
    timesteps: int = TIMESTEPS, first: float = 0.99999, last: float = 9e-6
) -> Float[Tensor, " t"]:
    """The share of kept classes, falling linearly in t (DDPS's schedule)."""
    return torch.linspace(first, last, timesteps, dtype=torch.float64)


def cosine_abar(
    timesteps: int = TIMESTEPS, offset: float = 0.008, smallest_step: float = 0.001
) -> Float[Tensor, " t"]:
    """The share of kept classes on multinomial diffusion's cosine schedule.

    Each step's alpha is the square root of the ratio of neighbouring squared cosines, which is
    kept above `smallest_step` first (Hoogeboom et al. 2021).
    """
    x = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    cosine = torch.cos((x / timesteps + offset) / (1 + offset) * math.pi / 2) ** 2
    alphas = (cosine[1:] / cosine[:-1]).clamp(smallest_step, 1.0)
    return alphas.sqrt().cumprod(0)


def mask_abar(schedule: str) -> Float[Tensor, " t"]:
    """The kept share on the categorical schedule called `linear` or `cosine`.

    Raises:
        SegSRError: For any other name.
    """
    schedules = {"linear": linear_abar, "cosine": cosine_abar}
    if schedule not in schedules:
        raise SegSRError(
            f"mask_schedule is {schedule!r}, but must be one of {', '.join(schedules)}."
        )
    return schedules[schedule]()


def node_weights(
    abar: Float[Tensor, " t"], steps: int = 4, first: float | int = 2
) -> Float[Tensor, " t"]:
    """Probabilities over t of training at the nodes of a sampler of `steps` trailing steps alone.

    Args:
        abar: The schedule, of which only the length counts.
        steps: The sampler's steps.
        first: Weight of the noisiest node beside the others' 1.
    """
    weights = torch.zeros_like(abar)
    weights[trailing_timesteps(steps, len(abar))] = 1
    weights[-1] = first
    return weights / weights.sum()


def trailing_timesteps(steps: int, timesteps: int = TIMESTEPS) -> list[int]:
    """`steps` evenly spaced times, noisiest first, starting at timesteps - 1.

    The spacing that diffusers calls "trailing"; for 4 of 1000: 999, 749, 499, 249.

    Raises:
        ValueError: If `steps` is not in 1..timesteps.
    """
    if not 1 <= steps <= timesteps:
        raise ValueError(f"steps is {steps}, but must be between 1 and {timesteps}.")
    return [round(timesteps - i * timesteps / steps) - 1 for i in range(steps)]
