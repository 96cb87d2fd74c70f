"""The joint reverse process: both diffusions step by step on one clock, as a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.diffusion.categorical import log_one_hot, posterior, sample_classes
from segsr.diffusion.gaussian import predict_x0
from segsr.diffusion.state import State


class Prediction(NamedTuple):
    """What the two networks say at one step, each having seen the other's state.

    Attributes:
        image: The image denoiser's output, of the scheduler's prediction type.
        mask_log_probs: Log probabilities of the clean mask.
    """

    image: Float[Tensor, "b c h w"]
    mask_log_probs: Float[Tensor, "b k h w"]


Predict = Callable[[State, int], Prediction]
"""Both states at t to the networks' prediction."""


@dataclass(frozen=True)
class JointStep:
    """One step of the reverse process, before the state moves on.

    Attributes:
        t: Step on the shared clock.
        latents: The noisy image state z_t, (B, C, h, w).
        masks: The noisy mask state S_t, int64 (B, h, w).
        predicted_latents: The clean state predicted from them, like `latents`.
        mask_log_probs: Log probabilities of the clean mask, (B, K, h, w).
    """

    t: int
    latents: Tensor
    masks: Tensor
    predicted_latents: Tensor
    mask_log_probs: Tensor


def joint_reverse(
    predict: Predict,
    scheduler: Any,
    mask_abar: Float[Tensor, " t"],
    state: State,
    generators: Sequence[torch.Generator],
    *,
    given: Int[Tensor, "b h w"] | None = None,
) -> Iterator[JointStep]:
    """Yield every step from the noisiest state to the clean one.

    The Gaussian step is the scheduler's, the categorical step the posterior between the same two
    times. The last step's predictions are the result: `predicted_latents` and the arg max of
    `mask_log_probs`.

    Args:
        predict: The networks, the bridge, their conditions and any guidance, bound into one call.
        scheduler: A diffusers scheduler (DDPM, DDIM, DPM-Solver++) after `set_timesteps`.
        mask_abar: The categorical schedule on the scheduler's clock.
        state: Both states at the first timestep.
        generators: One CPU generator per sample: all noise of a sample comes from its own.
        given: Classes held fixed at every step; `IGNORE_INDEX` leaves a pixel to the chain.
    """
    times = [int(t) for t in scheduler.timesteps]
    for t, t_next in zip(times, [*times[1:], None], strict=True):
        latents, masks = state
        if given is not None:
            masks = torch.where(given == IGNORE_INDEX, masks, given)
        prediction = predict(State(latents, masks), t)
        log_mask = prediction.mask_log_probs
        if given is not None:
            known = log_one_hot(given % log_mask.shape[1], log_mask.shape[1]).to(log_mask)
            log_mask = torch.where((given == IGNORE_INDEX)[:, None], log_mask, known)
        clean, next_latents = image_step(scheduler, prediction.image, latents, t, generators)
        yield JointStep(t, latents, masks, clean, log_mask)
        if t_next is not None:
            masks = mask_step(mask_abar, log_mask, masks, t, t_next, generators)
            state = State(next_latents, masks)


def image_step(
    scheduler: Any,
    output: Float[Tensor, "b c h w"],
    latents: Float[Tensor, "b c h w"],
    t: int,
    generators: Sequence[torch.Generator],
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """Return the clean latents that a network's `output` implies, and the next noisy ones."""
    output = output.float()
    abar = scheduler.alphas_cumprod[t].to(latents).view(1, 1, 1, 1)
    clean = predict_x0(scheduler.config.prediction_type, output, latents, abar)
    step = scheduler.step(output, t, latents, generator=list(generators))
    return clean, step.prev_sample


def mask_step(
    mask_abar: Float[Tensor, " t"],
    log_x0: Float[Tensor, "b k h w"],
    masks: Int[Tensor, "b h w"],
    t: int,
    t_next: int,
    generators: Sequence[torch.Generator],
) -> Int[Tensor, "b h w"]:
    """Draw the mask state at `t_next` < `t` from the model's posterior p(x_s | x_t)."""
    return sample_classes(mask_posterior(mask_abar, log_x0, masks, t, t_next), generators)


def mask_posterior(
    mask_abar: Float[Tensor, " t"],
    log_x0: Float[Tensor, "b k h w"],
    masks: Int[Tensor, "b h w"],
    t: int,
    t_next: int,
) -> Float[Tensor, "b k h w"]:
    """Return the model's log p(x_s | x_t) of the mask state at `t_next` < `t`."""
    abar_t, abar_s = (mask_abar[s].to(log_x0).expand(len(masks)) for s in (t, t_next))
    log_x_t = log_one_hot(masks, log_x0.shape[1]).to(log_x0)
    return posterior(log_x0, log_x_t, abar_t, abar_s)
