"""With either of Stable Diffusion's prediction types an oracle restores what it knows."""

import pytest
import tiny
import torch
from diffusers import DDIMScheduler

from segsr.diffusion.noise import keyed
from segsr.model.image_branch import ImageBranch
from segsr.model.options import SamplingOptions
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator
from segsr.tasks.srdm import SRDM


def model(prediction_type: str) -> ImageBranch:
    scheduler = DDIMScheduler.from_config(tiny.scheduler().config, prediction_type=prediction_type)
    return ImageBranch(
        PatchAutoencoder(4, tiny.LATENTS), tiny.controller(), tiny.denoiser(), scheduler, steps=4
    ).eval()


def oracle(kind: str, x0: torch.Tensor, abar: torch.Tensor):
    """The exact prediction for a known x0, from the definitions of noise and velocity."""

    def predict(z_t, t, guidance):
        a = abar[t].view(-1, 1, 1, 1)
        noise = (z_t - a.sqrt() * x0) / (1 - a).sqrt()
        return noise if kind == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * x0

    return predict


@pytest.mark.parametrize("start", ["noise", "lq"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_an_oracle_restores_what_it_knows(kind, start) -> None:
    branch, batch = model(kind), tiny.batch(1, 32)
    x0 = branch.encode(batch["hq"])
    branch.denoiser.forward = oracle(kind, x0, branch.abar)
    options = SamplingOptions(start=start)
    restored = branch.restore(to_canvas(batch["lq"]), keyed(0), options)
    expected = branch.autoencoder.decode(x0).clamp(0, 1)
    torch.testing.assert_close(restored, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_an_oracle_has_no_loss(kind) -> None:
    branch, batch = model(kind), tiny.batch(2, 32)
    generators = [generator(i) for i in range(2)]
    t = torch.tensor([150, 900])
    x0 = branch.encode(batch["hq"])
    lq_latents = branch.encode(to_canvas(batch["lq"]))
    sample = SRDM(branch).noise(lq_latents, batch["hq"], t, generators)
    predicted = oracle(kind, x0, branch.abar)(sample.latents, t, None)
    torch.testing.assert_close(predicted, sample.target, atol=1e-3, rtol=0)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_one_step_starts_at_the_noisiest_time(spacing) -> None:
    branch = model("epsilon")
    branch.scheduler = DDIMScheduler.from_config(branch.scheduler.config, timestep_spacing=spacing)
    assert branch.timed_scheduler(1).timesteps.tolist() == [len(branch.abar) - 1]
    assert branch.scheduler.config.timestep_spacing == spacing
    assert len(branch.timed_scheduler(3).timesteps) == 3
