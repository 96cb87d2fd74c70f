"""Training at the sampler's own steps: what is met in training is what sampling meets."""

import pytest
import tiny
import torch
from diffusers import DDIMScheduler
from torch import nn

from segsr.checkpoints.folder import load_component
from segsr.diffusion.noise import Noise
from segsr.model.image_branch import ImageBranch
from segsr.model.options import SamplingOptions
from segsr.nets.discriminator import FeatureDiscriminator
from segsr.nets.patch_autoencoder import PatchAutoencoder, refined
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator
from segsr.tasks.pixel_srdm import PixelSRDM
from segsr.tasks.srdm import SRDM
from segsr.training.picture_loss import PictureLoss, seam_distance


def few_step_srdm(**options) -> SRDM:
    torch.manual_seed(0)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    nets = PatchAutoencoder(4, tiny.LATENTS), tiny.controller(), tiny.denoiser()
    branch = ImageBranch(*nets, scheduler, residual_scale=0.25, steps=4, **options)
    return SRDM(branch, train_denoiser=True)


def task(**options) -> PixelSRDM:
    built = PixelSRDM(few_step_srdm(), PictureLoss(gradient=1.0), **options)
    built.log_loss = lambda *args, **kwargs: None
    return built


@torch.no_grad()
def test_a_rolled_out_state_is_the_samplers(monkeypatch) -> None:
    model = task()
    lq = torch.rand(4, 3, 16, 16)
    branch = model.srdm.branch
    lq_latents = branch.encode(to_canvas(lq))
    drawn = Noise([(i,) for i in range(4)])
    noise = drawn.normal(lq_latents.shape[1:], "latents")
    seen = []
    plain = ImageBranch.denoise
    monkeypatch.setattr(
        ImageBranch, "denoise", lambda self, s, t, lq: (seen.append(s), plain(self, s, t, lq))[1]
    )
    list(branch.sample(lq_latents, drawn, SamplingOptions()))
    states = list(seen)
    found = model.srdm.roll_out(lq_latents, noise, torch.tensor([999, 749, 499, 249]))
    for node in range(4):
        torch.testing.assert_close(found[node], states[node][node], atol=1e-5, rtol=1e-5)


def test_training_meets_the_samplers_steps_alone(monkeypatch) -> None:
    seen = []
    plain = ImageBranch.denoise
    monkeypatch.setattr(
        ImageBranch, "denoise", lambda self, s, t, lq: (seen.append(t), plain(self, s, t, lq))[1]
    )
    for rollout in (0.0, 1.0):
        model = task(rollout=rollout)
        for step in range(3):
            model.training_step({**tiny.batch(4), "name": [f"{step}{i}" for i in range(4)]}, 0)
    assert set(torch.cat(seen).tolist()) <= {999, 749, 499, 249}


def test_of_the_autoencoder_the_refinement_alone_learns(tmp_path) -> None:
    srdm = few_step_srdm()
    srdm.branch.autoencoder.codec = refined(srdm.branch.autoencoder.codec, 2).requires_grad_(False)
    model = PixelSRDM(srdm, PictureLoss())
    model.log_loss = lambda *args, **kwargs: None
    before = {n: p.clone() for n, p in srdm.branch.autoencoder.named_parameters()}
    optimizer = model.configure_optimizers()
    model.training_step(tiny.batch(2), 0).backward()
    optimizer.step()
    after = dict(srdm.branch.autoencoder.named_parameters())
    moved = {n for n, p in before.items() if not torch.equal(p, after[n])}
    assert moved
    assert all(name.startswith("codec.refinement") for name in moved)
    model.save_pretrained(tmp_path)
    exported = load_component(tmp_path, "autoencoder")
    assert torch.equal(
        exported.refinement.leave.bias, srdm.branch.autoencoder.codec.refinement.leave.bias
    )


class Stages(nn.Module):
    """Two frozen convolutions that stand for VGG."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 6, 3, 2)
        self.requires_grad_(False)

    def forward(self, images):
        first = self.first(images).relu()
        return [first, self.second(first).relu()]


def adversarial(**options) -> PictureLoss:
    return PictureLoss(
        features=Stages(),
        discriminator=FeatureDiscriminator((4, 6), 8, (8, 8)),
        ramp=10,
        **options,
    )


def test_what_all_patches_share_is_a_seam_and_what_a_picture_shares_is_not() -> None:
    truth = torch.rand(2, 3, 32, 32)
    pattern = torch.zeros(3, 4, 4)
    pattern[:, 0, 0] = 0.16
    screen = pattern.repeat(1, 8, 8)
    # a dot of 0.16 on 16 places: 0.15 above their mean there, 0.01 below it elsewhere
    expected = (0.15 + 15 * 0.01) / 16
    assert float(seam_distance(truth + screen, truth, 4)) == pytest.approx(expected, rel=1e-4)
    assert float(seam_distance(truth + 0.1, truth, 4)) == pytest.approx(0, abs=1e-6)
    loss = PictureLoss(seams=2.0)
    terms = loss(truth + screen, truth, 0, generator(0))
    assert float(terms["seams"]) == pytest.approx(2 * expected, rel=1e-4)
    assert "seams" not in PictureLoss()(truth + screen, truth, 0, generator(0))


def test_each_adversarial_term_trains_its_own_side() -> None:
    loss = adversarial()
    restored = torch.rand(2, 3, 32, 32, requires_grad=True)
    terms = loss(restored, torch.rand(2, 3, 32, 32), 10, generator(0))
    assert set(terms) == {"l1", "perceptual", "adversarial", "discriminator"}
    parameters = list(loss.discriminator.parameters())
    gradients = torch.autograd.grad(
        terms["adversarial"], [restored, *parameters], allow_unused=True, retain_graph=True
    )
    assert gradients[0].abs().sum() > 0
    assert all(g is None for g in gradients[1:])
    gradients = torch.autograd.grad(
        terms["discriminator"], [restored, *parameters], allow_unused=True
    )
    assert gradients[0] is None
    assert all(g is not None for g in gradients[1:])


def test_the_adversarial_term_rises_from_nothing() -> None:
    loss = adversarial(window=16)
    pair = torch.rand(2, 1, 3, 32, 32)
    values = [
        float(loss(*pair, step, generator(0))["adversarial"].detach()) for step in (0, 4, 9, 99)
    ]
    assert values[1] == pytest.approx(5 * values[0], rel=0.05)
    assert values[2] == pytest.approx(values[3], rel=0.05)


def test_the_discriminator_learns_beside_the_branch() -> None:
    model = PixelSRDM(few_step_srdm(), adversarial())
    model.log_loss = lambda *args, **kwargs: None
    before = {n: p.clone() for n, p in model.named_parameters() if p.requires_grad}
    optimizer = model.configure_optimizers()
    model.training_step(tiny.batch(2), 0).backward()
    optimizer.step()
    after = dict(model.named_parameters())
    moved = {n.split(".")[0] for n, p in before.items() if not torch.equal(p, after[n])}
    assert moved == {"srdm", "loss"}
