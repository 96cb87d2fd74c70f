"""Score distillation against the closed form of Gaussians."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from segsr.diffusion import gaussian
from segsr.diffusion.distillation import score_distillation


def predicted(noised, abar, mean: float, variance: float):
    """The best prediction of x0 from its noised version, x0 being normal."""
    gain = abar.sqrt() * variance / (abar * variance + 1 - abar)
    return mean + gain * (noised - abar.sqrt() * mean)


@pytest.mark.parametrize("level", [0.9, 0.3, 0.02])
def test_the_gradient_is_that_of_the_divergence_between_noised_gaussians(level: float) -> None:
    """Students and teachers of one variance: the prediction differs by a number, whatever x_t."""
    ours, theirs, variance = 0.7, -0.4, 0.25
    abar = torch.full((3, 1, 1, 1), level, dtype=torch.float64)
    x0 = ours + variance**0.5 * torch.randn(3, 2, 4, 4, dtype=torch.float64)
    x0.requires_grad_(True)
    noised = gaussian.q_sample(x0.detach(), torch.randn_like(x0), abar)
    real, fake = (predicted(noised, abar, mean, variance) for mean in (theirs, ours))
    score_distillation(x0, real, fake).backward()

    mean = torch.tensor(ours, dtype=torch.float64, requires_grad=True)
    spread = (level * variance + 1 - level) ** 0.5
    divergence = kl_divergence(
        Normal(level**0.5 * mean, spread), Normal(level**0.5 * theirs, spread)
    )
    (slope,) = torch.autograd.grad(divergence, mean)
    # s_fake - s_real = sqrt(abar) / (1 - abar) times the difference of both predictions of x0, and
    # the mean of x_t moves by sqrt(abar) times that of x0.
    expected = slope * (1 - level) / level
    weight = (x0 - real).abs().mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(x0.grad * weight * x0.numel() / 2, expected.expand_as(x0).detach())


def test_a_student_that_follows_it_arrives_at_the_teachers_mean() -> None:
    mean = torch.tensor(2.0, requires_grad=True)
    optimizer = torch.optim.SGD([mean], lr=0.2)
    g = torch.Generator().manual_seed(0)
    for _ in range(200):
        x0 = mean + 0.5 * torch.randn(8, 1, 4, 4, generator=g)
        abar = 0.05 + 0.9 * torch.rand(8, 1, 1, 1, generator=g)
        noised = gaussian.q_sample(x0.detach(), torch.randn(x0.shape, generator=g), abar)
        real = predicted(noised, abar, -1.0, 0.25)
        fake = predicted(noised, abar, float(mean.detach()), 0.25)
        optimizer.zero_grad()
        score_distillation(x0, real, fake).backward()
        optimizer.step()
    assert float(mean.detach()) == pytest.approx(-1.0, abs=0.05)


def test_nothing_flows_into_the_predictions_and_equal_ones_move_nothing() -> None:
    x0, real, fake = (torch.randn(2, 1, 3, 3, requires_grad=True) for _ in range(3))
    found = torch.autograd.grad(
        score_distillation(x0, real, fake), [x0, real, fake], allow_unused=True
    )
    assert found[0].abs().sum() > 0
    assert found[1] is found[2] is None
    assert score_distillation(x0, real, real) == 0
    assert score_distillation(real, real, real) == 0  # nor does a perfect one divide by zero
