"""Categorical diffusion: closed forms, the public implementation's numbers, invariants."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from segsr.diffusion import categorical
from segsr.diffusion.schedules import cosine_abar, linear_abar, mask_abar
from segsr.errors import SegSRError
from segsr.seeding import generator

FIXTURE = load_file(Path(__file__).parents[1] / "fixtures" / "categorical.safetensors")
CASES = ["K5.T20", "K5.T1000", "K34.T20"]
SCHEDULES = ["cosine", "ddps_linear"]


def tables(case: str, schedule: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(abar_t, abar_{t-1}) of the fixture's four samples, float64; 1 before step 0."""
    abar = FIXTURE[f"{case}.{schedule}.table.log_cumprod_alpha"].double().exp()
    t = FIXTURE[f"{case}.in.t"]
    previous = torch.where(t > 0, abar[(t - 1).clamp(min=0)], torch.ones(len(t)).double())
    return abar[t], previous


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("schedule", SCHEDULES)
class TestPublicNumbers:
    def test_forward(self, case: str, schedule: str) -> None:
        x0, k = FIXTURE[f"{case}.in.x0"], FIXTURE[f"{case}.in.logits"].shape[1]
        abar, _ = tables(case, schedule)
        ours = categorical.log_mix_uniform(categorical.log_one_hot(x0, k).double(), abar)
        torch.testing.assert_close(
            ours.float(), FIXTURE[f"{case}.{schedule}.log_q_xt_given_x0"], rtol=1e-4, atol=1e-4
        )

    def test_one_step(self, case: str, schedule: str) -> None:
        x_t, k = FIXTURE[f"{case}.in.x_t"], FIXTURE[f"{case}.in.logits"].shape[1]
        alpha = FIXTURE[f"{case}.{schedule}.table.log_alpha"].exp()[FIXTURE[f"{case}.in.t"]]
        ours = categorical.log_mix_uniform(categorical.log_one_hot(x_t, k), alpha)
        # The public table of 1 - alpha is float32: its last digits show where alpha is near 1.
        torch.testing.assert_close(
            ours,
            FIXTURE[f"{case}.{schedule}.log_q_xt_given_xtm1_onestep"],
            rtol=1e-3,
            atol=2e-3,
        )

    @pytest.mark.parametrize("given", ["true", "model"])
    def test_posterior(self, case: str, schedule: str, given: str) -> None:
        logits = FIXTURE[f"{case}.in.logits"].double()
        k = logits.shape[1]
        log_x0 = (
            categorical.log_one_hot(FIXTURE[f"{case}.in.x0"], k).double()
            if given == "true"
            else logits.log_softmax(1)
        )
        log_x_t = categorical.log_one_hot(FIXTURE[f"{case}.in.x_t"], k).double()
        ours = categorical.posterior(log_x0, log_x_t, *tables(case, schedule)).exp()
        exact = FIXTURE[f"{case}.{schedule}.exact64.posterior_{given}"]
        torch.testing.assert_close(ours, exact, rtol=2e-4, atol=2e-6)
        torch.testing.assert_close(ours.sum(1), torch.ones_like(ours[:, 0]), rtol=0, atol=1e-12)

    def test_divergence(self, case: str, schedule: str) -> None:
        inputs = {key: FIXTURE[f"{case}.in.{key}"] for key in ("logits", "x0", "x_t", "t")}
        abar_t, abar_s = (table.float() for table in tables(case, schedule))
        ours = categorical.step_divergence(
            inputs["logits"], inputs["x0"], inputs["x_t"], abar_t, abar_s
        )
        public = torch.where(
            (inputs["t"] == 0)[:, None, None],
            FIXTURE[f"{case}.{schedule}.decoder_nll_per_pixel"],
            FIXTURE[f"{case}.{schedule}.kl_per_pixel"],
        )
        torch.testing.assert_close(ours, public, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("case", ["K5.T20", "K5.T1000"])
def test_schedules_are_the_public_ones(case: str) -> None:
    steps = int(case.split("T")[1])
    cosine = FIXTURE[f"{case}.cosine.table.log_cumprod_alpha"].double().exp()
    torch.testing.assert_close(cosine_abar(steps), cosine, rtol=2e-4, atol=1e-7)
    linear = FIXTURE[f"{case}.ddps.exact64.abar"][:steps]
    torch.testing.assert_close(linear_abar(steps), linear, rtol=0, atol=1e-12)


def test_forward_sampling_keeps_abar_of_the_pixels() -> None:
    masks = torch.full((2, 200, 200), 3)
    abar = torch.tensor([0.9, 0.2])
    drawn = categorical.q_sample(masks, abar, 5, [generator(i) for i in range(2)])
    share = (drawn == 3).float().mean((1, 2))
    expected = abar + (1 - abar) / 5
    torch.testing.assert_close(share, expected, atol=4 * math.sqrt(0.25 / 40_000), rtol=0)


def test_sampled_classes_follow_their_probabilities() -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    log_p = p.log().view(1, 4, 1, 1).expand(1, 4, 200, 200)
    drawn = categorical.sample_classes(log_p, torch.rand(log_p.shape, generator=generator(0)))
    share = torch.bincount(drawn.flatten(), minlength=4) / drawn.numel()
    torch.testing.assert_close(share, p, atol=4 * math.sqrt(0.25 / 40_000), rtol=0)


def test_a_posterior_over_many_steps_is_bayes_rule() -> None:
    k, abar_s, abar_t = 4, torch.tensor([0.7]), torch.tensor([0.3])
    uniform = torch.full((k, k), 1 / k)
    to_s = abar_s * torch.eye(k) + (1 - abar_s) * uniform
    step = (abar_t / abar_s) * torch.eye(k) + (1 - abar_t / abar_s) * uniform
    for x0 in range(k):
        for x_t in range(k):
            bayes = to_s[x0] * step[:, x_t]
            ours = categorical.posterior(
                categorical.log_one_hot(torch.full((1, 1, 1), x0), k),
                categorical.log_one_hot(torch.full((1, 1, 1), x_t), k),
                abar_t,
                abar_s,
            ).exp()
            torch.testing.assert_close(ours.flatten(), bayes / bayes.sum())


def test_the_gradient_of_the_divergence_is_finite_at_the_extremes() -> None:
    logits = torch.tensor([80.0, -80.0, 0.0]).view(1, 3, 1, 1).requires_grad_()
    for abar_t, abar_s in ((9e-6, 2e-5), (0.99999, 1.0)):
        divergence = categorical.step_divergence(
            logits,
            torch.ones(1, 1, 1, dtype=torch.long),
            torch.zeros(1, 1, 1, dtype=torch.long),
            torch.tensor([abar_t]),
            torch.tensor([abar_s]),
        )
        (gradient,) = torch.autograd.grad(divergence.sum(), logits)
        assert gradient.isfinite().all()


def test_a_misspelt_schedule_is_refused() -> None:
    assert torch.equal(mask_abar("cosine"), cosine_abar())
    with pytest.raises(SegSRError, match=r"'cosin'.*linear, cosine"):
        mask_abar("cosin")
