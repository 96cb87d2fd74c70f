"""The joint model: a silent bridge, guidance, noise that belongs to its photograph."""

import pytest
import tiny
import torch

from segsr.diffusion.noise import Noise, keyed
from segsr.inference.restoration import restore
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas


def joint(**options) -> JointModel:
    return tiny.joint(**options).eval().model


def steps(model: JointModel, given=None, **options):
    conditions = model.read(to_canvas(tiny.batch()["lq"]), given)
    chosen = SamplingOptions(steps=3, **options)
    return list(model.sample(conditions, Noise([(0,), (1,)]), chosen))


def test_a_silent_bridge_is_srdm_and_segdm_alone_to_the_bit() -> None:
    model = joint(awake=False)
    lq = tiny.batch()["lq"]
    for step, alone in zip(steps(model), steps(model, guidance=0.0, exchange=False), strict=True):
        assert torch.equal(step.predicted_latents, alone.predicted_latents)
        assert torch.equal(step.mask_log_probs, alone.mask_log_probs)
    # One step of the branches themselves: the same generator draws the image's noise first.
    canvas, options = to_canvas(lq), SamplingOptions(steps=1)
    conditions = model.read(canvas)
    (first,) = model.sample(conditions, Noise([(0,), (1,)]), options)
    image = model.image.restore(canvas, Noise([(0,), (1,)]), options)
    assert torch.equal(model.decode(first, conditions, options)[0], image)
    features = model.mask.read(canvas).features
    with torch.no_grad():
        assert torch.equal(first.mask_log_probs, model.mask.predict(first.masks, 999, features))


def test_an_awake_bridge_tells_both_branches() -> None:
    model = joint()
    both, image_only, mask_only = (
        steps(model, **options) for options in ({}, {"exchange": False}, {"guidance": 0.0})
    )
    assert not torch.equal(both[0].predicted_latents, mask_only[0].predicted_latents)
    assert torch.equal(both[0].predicted_latents, image_only[0].predicted_latents)
    assert not torch.equal(both[0].mask_log_probs, image_only[0].mask_log_probs)
    assert torch.equal(both[0].mask_log_probs, mask_only[0].mask_log_probs)


def test_guidance_extrapolates() -> None:
    model = joint()
    zero, one, two = (steps(model, guidance=g)[0].predicted_latents for g in (0.0, 1.0, 2.0))
    torch.testing.assert_close(two, zero + 2 * (one - zero), rtol=1e-4, atol=1e-4)


def test_both_states_are_at_the_same_time_on_the_way_down() -> None:
    trajectory = steps(joint())
    assert [step.t for step in trajectory] == [999, 666, 332]
    assert all(0 <= int(s.masks.min()) <= int(s.masks.max()) < tiny.CLASSES for s in trajectory)


def test_a_given_mask_is_held_and_the_rest_is_estimated() -> None:
    model = joint()
    mask = torch.full((2, 16, 16), 7)
    mask[:, :, 8:] = 255
    for step in steps(model, given=mask):
        assert (step.masks[:, :, :8] == 7).all()
        assert (step.mask_log_probs.argmax(1)[:, :, :8] == 7).all()
    free = steps(model, given=torch.full((2, 16, 16), 255))
    for step, plain in zip(free, steps(model), strict=True):
        assert torch.equal(step.masks, plain.masks)
    other = steps(model, given=mask + (mask == 7).long())
    assert not torch.equal(
        other[0].predicted_latents, steps(model, given=mask)[0].predicted_latents
    )


@pytest.mark.parametrize("start", ["noise", "lq"])
def test_the_noise_belongs_to_the_photograph(start: str) -> None:
    model = joint()
    lq = tiny.batch(3)["lq"]
    names = ["a.jpg", "b.jpg", "c.jpg"]

    def restored(order: list[int]):
        conditions = model.read(to_canvas(lq[order]))
        noise = Noise([(0, names[i]) for i in order])
        options = SamplingOptions(steps=3, start=start)
        *_, last = model.sample(conditions, noise, options)
        image, mask, _ = model.decode(last, conditions, options)
        return dict(zip((names[i] for i in order), zip(image, mask, strict=True), strict=True))

    together, reverse = restored([0, 1, 2]), restored([2, 1, 0])
    for i, name in enumerate(names):
        alone = restored([i])[name][0]
        assert (together[name][0] - reverse[name][0]).abs().max() < 1 / 255
        assert (together[name][0] - alone).abs().max() < 1 / 255
    again = restored([0, 1, 2])
    assert all(torch.equal(again[n][0], together[n][0]) for n in names)
    different = restored([1])["b.jpg"][0] - together["a.jpg"][0]
    assert different.abs().max() > 1 / 255


def test_the_start_from_the_lq_latent_is_the_noised_latent() -> None:
    branch = tiny.image_branch(residual_scale=None)
    latents = torch.randn(1, tiny.LATENTS, 16, 16)
    start = branch.start_state(latents, 999, keyed(0), SamplingOptions(start="lq"))
    noise = branch.start_state(latents, 999, keyed(0), SamplingOptions())
    expected = branch.abar[999].sqrt() * latents + (1 - branch.abar[999]).sqrt() * noise
    torch.testing.assert_close(start, expected)
    assert float(branch.abar[999]) == pytest.approx(0.0046601, rel=1e-4)  # Stable Diffusion's


def test_residual_states_invert() -> None:
    latents, lq = torch.randn(2, 1, 4, 8, 8)
    for scale in (None, 0.25):
        branch = tiny.image_branch(residual_scale=scale)
        torch.testing.assert_close(branch.from_state(branch.to_state(latents, lq), lq), latents)
        t = torch.tensor([500])
        noise = torch.randn(1, 4, 8, 8)
        a = branch.abar[t].view(1, 1, 1, 1)
        noisy = branch.noisy_latents(
            a.sqrt() * branch.to_state(latents, lq) + (1 - a).sqrt() * noise, lq, t
        )
        expected = a.sqrt() * latents + (scale or 1.0) * (1 - a).sqrt() * noise
        torch.testing.assert_close(noisy, expected)


def test_guidance_exaggerates_what_the_mask_changes() -> None:
    model = joint()
    without, trained, strong = (steps(model, guidance=w)[0] for w in (0.0, 1.0, 2.5))
    difference = trained.predicted_latents - without.predicted_latents
    assert float(difference.abs().max()) > 0
    torch.testing.assert_close(
        strong.predicted_latents, without.predicted_latents + 2.5 * difference, atol=1e-4, rtol=1e-3
    )


def test_autoencoder_and_prior_run_once_per_image_whatever_the_steps(monkeypatch) -> None:
    model = joint()
    calls = {"encode": 0, "decode": 0, "prior": 0}

    def counted(owner, method: str, name: str) -> None:
        original = getattr(owner, method)

        def count(*arguments, **options):
            calls[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, method, count)

    counted(model.image.autoencoder, "encode", "encode")
    counted(model.image.autoencoder, "decode", "decode")
    counted(model.mask.prior, "forward", "prior")
    lq, options = tiny.batch(1)["lq"][0], SamplingOptions(steps=5)
    restored = restore(model, lq, keyed(0), options)
    assert calls == {"encode": 1, "decode": 1, "prior": 1}
    assert restored.trajectory == []
    shown = restore(model, lq, keyed(0), options, trajectory=True)
    assert calls == {"encode": 2, "decode": 6, "prior": 2}
    assert len(shown.trajectory) == 5
    assert torch.equal(shown.image, restored.image)
    assert torch.equal(shown.trajectory[-1].mask, restored.mask)
