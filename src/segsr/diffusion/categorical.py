"""The categorical side: multinomial diffusion with uniform transitions, in log space.

Classes lie on dimension 1: a distribution is a tensor (B, K, H, W) of natural logarithms, a state
an int64 map (B, H, W). `abar` (kept share after t steps) and `alpha` (kept share of the step to t)
are per sample and broadcast over pixels. Equations: Hoogeboom et al. 2021, "Argmax Flows and
Multinomial Diffusion", section 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

TINY = 1e-30
"""The probability that stands for an impossible class, as in the public implementation."""


def log_one_hot(masks: Int[Tensor, "b h w"], num_classes: int) -> Float[Tensor, "b k h w"]:
    """Log probabilities of a known class: 0 there, log(1e-30) elsewhere."""
    one_hot = F.one_hot(masks, num_classes).permute(0, 3, 1, 2)
    return one_hot.to(torch.get_default_dtype()).clamp(min=TINY).log()


def log_mix_uniform(
    log_p: Float[Tensor, "b k *s"], keep: Float[Tensor, " b"]
) -> Float[Tensor, "b k *s"]:
    """log(keep * p + (1 - keep) / K): one uniform transition, or many at once.

    Of log x_0 and abar_t it is log q(x_t | x_0) (equation 12).
    """
    keep = keep.view(-1, *[1] * (log_p.ndim - 1)).to(log_p.dtype)
    log_rest = (1 - keep).clamp(min=TINY).log() - math.log(log_p.shape[1])
    return torch.logaddexp(log_p + keep.clamp(min=TINY).log(), log_rest)


def sample_classes(
    log_p: Float[Tensor, "b k h w"], uniform: Float[Tensor, "b k h w"]
) -> Int[Tensor, "b h w"]:
    """Return a class per pixel, drawn by the Gumbel maximum with numbers from [0, 1)."""
    gumbel = -torch.log(-torch.log(uniform.clamp(TINY, 1 - 1e-7)))
    return (log_p + gumbel.to(log_p)).argmax(1)


def q_sample(
    masks: Int[Tensor, "b h w"],
    abar: Float[Tensor, " b"],
    num_classes: int,
    generators: Sequence[torch.Generator],
) -> Int[Tensor, "b h w"]:
    """Draw x_t ~ q(x_t | x_0 = masks): keep a pixel with probability abar, else draw uniformly."""
    shape = masks.shape[1:]
    drawn = [torch.rand(shape, generator=g, device=g.device) for g in generators]
    keep = torch.stack(drawn).to(masks.device)
    noise = uniform_classes(masks.shape, num_classes, generators).to(masks.device)
    return torch.where(keep < abar.view(-1, 1, 1), masks, noise)


def uniform_classes(
    shape: Sequence[int], num_classes: int, generators: Sequence[torch.Generator]
) -> Int[Tensor, "b h w"]:
    """Draw a map of uniformly random classes per sample, each from its own generator."""
    return torch.stack(
        [
            torch.randint(num_classes, tuple(shape[1:]), generator=g, device=g.device)
            for g in generators
        ]
    )


def posterior(
    log_x0: Float[Tensor, "b k *s"],
    log_x_t: Float[Tensor, "b k *s"],
    abar_t: Float[Tensor, " b"],
    abar_s: Float[Tensor, " b"],
) -> Float[Tensor, "b k *s"]:
    """log q(x_s | x_t, x_0) for any s < t; abar_s = 1 is the clean state (equation 13).

    theta is proportional to [alpha x_t + (1 - alpha) / K] * [abar_s x_0 + (1 - abar_s) / K] with
    alpha = abar_t / abar_s. Given a distribution for x_0 instead of a class, it is the model's
    p(x_s | x_t).
    """
    log_step = log_mix_uniform(log_x_t, abar_t / abar_s)
    log_prior = torch.where(
        (abar_s < 1).view(-1, *[1] * (log_x0.ndim - 1)), log_mix_uniform(log_x0, abar_s), log_x0
    )
    return (log_step + log_prior).log_softmax(1)


def kl(log_p: Float[Tensor, "b k *s"], log_q: Float[Tensor, "b k *s"]) -> Float[Tensor, "b *s"]:
    """KL(p || q) over the classes of each pixel, in nats."""
    return (log_p.exp() * (log_p - log_q)).sum(1)


def uniform_divergence(logits: Float[Tensor, "b k *s"]) -> Float[Tensor, "b *s"]:
    """KL(uniform || p) of each pixel, in nats: 0 where the prediction is as unsure as can be.

    The loss of pixels of which nothing is known (outlier exposure, Hendrycks et al. 2019).
    """
    return -logits.float().log_softmax(1).mean(1) - math.log(logits.shape[1])


def step_divergence(
    logits: Float[Tensor, "b k h w"],
    x0: Int[Tensor, "b h w"],
    x_t: Int[Tensor, "b h w"],
    abar_t: Float[Tensor, " b"],
    abar_s: Float[Tensor, " b"],
) -> Float[Tensor, "b h w"]:
    """The variational bound's term for the step t to s, per pixel, in nats.

    KL(q(x_s | x_t, x_0) || p(x_s | x_t)); where s is the clean state this is -log p(x_0 | x_t), up
    to the weight 1e-30 of impossible classes.
    """
    classes = logits.shape[1]
    log_x0, log_x_t = log_one_hot(x0, classes), log_one_hot(x_t, classes)
    truth = posterior(log_x0, log_x_t, abar_t, abar_s)
    model = posterior(logits.float().log_softmax(1), log_x_t, abar_t, abar_s)
    return kl(truth, model)
