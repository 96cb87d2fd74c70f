"""The Gaussian side against diffusers' own schedulers."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from segsr.diffusion import gaussian
from segsr.diffusion.joint_sampler import image_step, predicted
from segsr.diffusion.noise import keyed
from segsr.diffusion.schedules import trailing_timesteps
from segsr.seeding import generator

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def test_forward_process_is_diffusers() -> None:
    scheduler = DDPMScheduler(**BETAS)
    x0, noise = torch.randn(2, 3, 4, 4, 4, generator=generator(0))
    t = torch.tensor([0, 400, 999])
    abar = scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    torch.testing.assert_close(
        gaussian.q_sample(x0, noise, abar), scheduler.add_noise(x0, noise, t)
    )
    torch.testing.assert_close(
        gaussian.target("v_prediction", x0, noise, abar), scheduler.get_velocity(x0, noise, t)
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("cls", [DDPMScheduler, DDIMScheduler])
def test_predicted_x0_inverts_the_target_and_is_diffusers(cls, kind) -> None:
    scheduler = cls(**BETAS, prediction_type=kind, clip_sample=False)
    scheduler.set_timesteps(10)
    x0, noise = torch.randn(2, 1, 4, 4, 4, generator=generator(0))
    for t in scheduler.timesteps:
        abar = scheduler.alphas_cumprod[t].view(1, 1, 1, 1)
        x_t = gaussian.q_sample(x0, noise, abar)
        output = gaussian.target(kind, x0, noise, abar)
        clean = predicted(scheduler, output, x_t, int(t))
        torch.testing.assert_close(clean, x0, rtol=1e-4, atol=1e-4)
        theirs = scheduler.step(output, t, x_t, generator=generator(1))
        following = image_step(scheduler, output, x_t, int(t), keyed(1))
        torch.testing.assert_close(clean, theirs.pred_original_sample, rtol=1e-4, atol=1e-4)
        ours = keyed(1).normal(x_t.shape[1:], "latents", int(t), 0)
        drawn = ours - torch.randn(x_t.shape, generator=generator(1))
        deviation = scheduler._get_variance(int(t)).sqrt() if cls is DDPMScheduler and t else 0
        expected = theirs.prev_sample + deviation * drawn  # their mean, our noise
        torch.testing.assert_close(following, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cls", [DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler])
@pytest.mark.parametrize("steps", [1, 2, 4, 15])
def test_a_perfect_network_is_restored_by_every_sampler(cls, steps) -> None:
    scheduler = cls(**BETAS, prediction_type="v_prediction", timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    x0, noise = torch.randn(2, 1, 4, 8, 8, generator=generator(0)).clamp(-1, 1)
    state = noise
    for t in scheduler.timesteps:
        abar = scheduler.alphas_cumprod[t].view(1, 1, 1, 1)
        implied = (state - abar.sqrt() * x0) / (1 - abar).sqrt()
        output = gaussian.target("v_prediction", x0, implied, abar)
        clean = predicted(scheduler, output, state, int(t))
        state = image_step(scheduler, output, state, int(t), keyed(1))
    torch.testing.assert_close(clean, x0, rtol=1e-3, atol=1e-3)


def test_trailing_spacing_is_diffusers() -> None:
    scheduler = DDIMScheduler(**BETAS, timestep_spacing="trailing")
    for steps in (1, 2, 4, 7, 50, 1000):
        scheduler.set_timesteps(steps)
        assert trailing_timesteps(steps) == scheduler.timesteps.tolist()
    with pytest.raises(ValueError, match="between 1 and 1000"):
        trailing_timesteps(0)


def test_an_unknown_prediction_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"flow.*epsilon, v_prediction, sample"):
        gaussian.check_prediction_type("flow")


def test_guidance_scale_one_is_the_conditional_prediction() -> None:
    first, second = torch.randn(2, 1, 4, 4, 4, generator=generator(0))
    torch.testing.assert_close(gaussian.guide(first, second, 1.0), first)
    assert torch.equal(gaussian.guide(first, second, 0.0), second)
