"""A mask that is not sure never steers, and unknown photographs teach doubt."""

import math
from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.diffusion.categorical import uniform_divergence
from segsr.diffusion.noise import Noise
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import encode_mask, to_canvas
from segsr.nets.time_aware_encoder import as_timesteps
from segsr.seeding import generator
from segsr.tasks.joint import JointSegSR
from segsr.tasks.segprior import SegPriorTask

T = torch.tensor([499, 499])


def test_the_divergence_from_uniform() -> None:
    logits = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    p = logits.softmax(1)
    expected = (0.2 * (math.log(0.2) - p.log())).sum(1)
    torch.testing.assert_close(uniform_divergence(logits).double(), expected, atol=1e-5, rtol=1e-5)
    assert abs(float(uniform_divergence(torch.zeros(1, 7, 1, 1)))) < 1e-6


@torch.no_grad()
def test_unknown_pixels_add_nothing_to_the_bit() -> None:
    bridge = tiny.bridge(awake=True)
    masks = torch.randint(tiny.CLASSES, (2, 16, 16))
    masks[:, :, :9] = IGNORE_INDEX
    for feature in bridge.control(masks, T):
        hidden = -(
            -9 * feature.shape[-1] // 16
        )  # a coarse cell that covers an unknown one is unknown
        assert not feature[..., :hidden].any()
        assert feature[..., hidden:].any()
    nothing = bridge.control(torch.full_like(masks, IGNORE_INDEX), T)
    assert not any(feature.any() for feature in nothing)


@torch.no_grad()
def test_a_mask_that_is_unsure_everywhere_leaves_the_image_branch_alone() -> None:
    model = tiny.joint().eval()
    lq = torch.rand(3, 16, 16)
    steered, alone = (model.restore(lq, seed=1, guidance=g) for g in (1.0, 0.0))
    assert not torch.equal(steered.image, alone.image)
    model.segdm.branch.confidence = 1.1
    unsure = model.restore(lq, seed=1)
    assert torch.equal(unsure.image, alone.image)
    assert (unsure.mask == IGNORE_INDEX).all()
    assert unsure.classes.max() < tiny.CLASSES
    given = torch.zeros(16, 16).long()
    assert not torch.equal(model.restore(lq, seed=1, mask=given).image, alone.image)


def recorded(model: JointSegSR, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The masks that the Seg Controller is given from now on."""
    seen: list[torch.Tensor] = []
    control = model.bridge.control
    monkeypatch.setattr(model.bridge, "control", lambda m, t: [seen.append(m), control(m, t)][1])
    return seen


@torch.no_grad()
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_what_is_unsure_is_not_seen_with_and_without_extra_guidance(guidance, monkeypatch) -> None:
    model = tiny.joint().eval()
    lq = torch.rand(2, 3, 16, 16)
    conditions = model.model.read(to_canvas(lq))
    noise = Noise([(0,), (1,)])
    (free,) = model.model.sample(conditions, noise, SamplingOptions(steps=1))
    model.segdm.branch.confidence = float(free.mask_log_probs.amax(1).exp().median())
    given = torch.full((2, 16, 16), IGNORE_INDEX)
    given[:, :3] = 5
    seen = recorded(model, monkeypatch)
    options = SamplingOptions(steps=1, guidance=guidance)
    held = replace(conditions, given=given)
    (step,) = model.model.sample(held, noise, options)
    sure = model.segdm.branch.sure(step.mask_log_probs)  # certain where it is given
    assert 0.1 < sure.float().mean() < 0.9
    assert torch.equal(seen[0] != IGNORE_INDEX, sure)
    assert torch.equal(seen[0][sure], step.masks[sure])
    assert (seen[0][:, :3] == 5).all()


@torch.no_grad()
def test_extra_guidance_by_nothing_is_nothing() -> None:
    model = tiny.joint().eval()
    model.segdm.branch.confidence = 1.1
    lq = torch.rand(3, 16, 16)
    alone, twice = (model.restore(lq, seed=1, guidance=g).image for g in (0.0, 2.0))
    torch.testing.assert_close(twice, alone, atol=1e-5, rtol=1e-5)  # a batch of two rounds apart


def test_a_given_mask_is_sure_where_it_is_given() -> None:
    model = tiny.joint().eval()
    model.segdm.branch.confidence = 1.1
    given = torch.full((64, 64), IGNORE_INDEX)
    given[:, :24] = 7
    found = model.restore(torch.rand(3, 16, 16), mask=given)
    assert torch.equal(found.mask, given)


def test_in_training_the_controller_does_not_see_what_is_unknown(monkeypatch) -> None:
    model = tiny.joint(clean_mask=0.5)
    monkeypatch.setattr(model, "log_loss", lambda *_, **__: None)
    batch = tiny.batch(2)
    batch["mask"][:, :, :32] = UNKNOWN_INDEX
    seen = recorded(model, monkeypatch)
    model.training_step(batch, 0).backward()
    unknown = encode_mask(batch["mask"], model.segdm.branch.factor) == UNKNOWN_INDEX
    assert torch.equal(seen[0] == IGNORE_INDEX, unknown)


def test_the_confidence_is_kept_in_the_model_folder(tmp_path) -> None:
    model = tiny.joint()
    assert model.segdm.branch.confidence == 0
    model.segdm.branch.confidence = 0.625
    model.save_pretrained(tmp_path)
    assert JointSegSR.from_pretrained(tmp_path).segdm.branch.confidence == 0.625


@pytest.mark.parametrize("make", [tiny.joint, tiny.segdm])
def test_an_evaluation_counts_what_is_labelled(make) -> None:
    model = make().eval()
    batch = tiny.batch(2)
    model.evaluate(batch)
    everything = model.metrics["labelled"].compute()
    assert everything["share"] == 1
    accuracy = model.metrics["mask"].compute()["pixel_accuracy"]
    torch.testing.assert_close(everything["accuracy"], accuracy)
    model.metrics["labelled"].reset()
    (model if make is tiny.segdm else model.segdm).branch.confidence = 1.1
    model.evaluate(batch)
    assert model.metrics["labelled"].compute()["share"] == 0


def test_the_prior_learns_doubt_where_nothing_is_known() -> None:
    task = SegPriorTask(tiny.prior(), unknown_weight=1.0)
    losses = {}
    task.log_loss = lambda name, loss, **_: losses.update({name: float(loss)})
    batch = tiny.batch(2)
    batch["mask"] = torch.full_like(batch["mask"], UNKNOWN_INDEX)
    loss = task.training_step(batch, 0)
    assert losses["mask_cross_entropy"] == 0
    assert float(loss) == losses["unknown"] > 0


def test_unknown_pixels_are_noise_at_every_time() -> None:
    model = tiny.segdm()
    batch = tiny.batch(2)
    batch["mask"][:, :, :32] = UNKNOWN_INDEX
    t = torch.zeros(2).long()
    prior = model.branch.read(to_canvas(batch["lq"]))
    sample = model.noise(prior, batch["mask"], t, [generator(i) for i in range(2)])
    assert (
        sample.unknown == (F.interpolate(batch["mask"][:, None].float(), 16)[:, 0] == 254)
    ).all()
    settled = (sample.masks == sample.clean)[~sample.unknown]
    assert settled.float().mean() > 0.99
    noisy = (sample.masks == sample.clean)[sample.unknown]
    assert noisy.float().mean() < 0.2
    logits = torch.randn(2, tiny.CLASSES, 16, 16)
    sharper = logits * (1 + 9 * sample.unknown[:, None])
    doubtful, sure = (model.loss(x, sample, as_timesteps(5, x))[0] for x in (logits, sharper))
    assert sure > doubtful
