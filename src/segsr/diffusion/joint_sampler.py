"""The joint reverse process: both diffusions step by step on one clock, as a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.diffusion.categorical import log_one_hot, posterior, sample_classes
from segsr.diffusion.gaussian import predict_x0
from segsr.diffusion.noise import Noise, drawing
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
    noise: Noise,
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
        noise: Of every sample, by position.
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
        clean = predicted(scheduler, prediction.image, latents, t)
        yield JointStep(t, latents, masks, clean, log_mask)
        if t_next is not None:
            next_latents = image_step(scheduler, prediction.image, latents, t, noise)
            masks = mask_step(mask_abar, log_mask, masks, t, t_next, noise)
            state = State(next_latents, masks)


def predicted(
    scheduler: Any, output: Float[Tensor, "b c h w"], latents: Float[Tensor, "b c h w"], t: int
) -> Float[Tensor, "b c h w"]:
    """Return the clean latents that a network's `output` implies."""
    abar = scheduler.alphas_cumprod[t].to(latents).view(1, 1, 1, 1)
    return predict_x0(scheduler.config.prediction_type, output.float(), latents, abar)


def image_step(
    scheduler: Any,
    output: Float[Tensor, "b c h w"],
    latents: Float[Tensor, "b c h w"],
    t: int,
    noise: Noise,
) -> Float[Tensor, "b c h w"]:
    """Return the scheduler's next noisy latents."""
    with drawing(noise, "latents", t):
        following: Tensor = scheduler.step(output.float(), t, latents).prev_sample
    return following


def mask_step(
    mask_abar: Float[Tensor, " t"],
    log_x0: Float[Tensor, "b k h w"],
    masks: Int[Tensor, "b h w"],
    t: int,
    t_next: int,
    noise: Noise,
) -> Int[Tensor, "b h w"]:
    """Draw the mask state at `t_next` < `t` from the model's posterior p(x_s | x_t).

    Some rows at a time, since the posterior is many times as large as what is drawn.
    """
    abar_t, abar_s = (mask_abar[s].to(log_x0).expand(len(masks)) for s in (t, t_next))
    _, classes, height, width = log_x0.shape
    drawn = torch.empty_like(masks)
    for rows in noise.rows(height):
        log_p, here = log_x0[..., rows, :], masks[..., rows, :]
        log_x_t = log_one_hot(here, classes).to(log_x0)
        uniform = noise.moved(rows.start).uniform((classes, here.shape[1], width), "mask", t)
        drawn[..., rows, :] = sample_classes(posterior(log_p, log_x_t, abar_t, abar_s), uniform)
    return drawn
