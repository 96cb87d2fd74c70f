"""JointSegSR: a silent bridge, noise that belongs to its photograph, losses, gradients."""

import pytest
import tiny
import torch

from segsr.seeding import generator
from segsr.tasks.joint import JointSegSR


def steps(model: JointSegSR, **options):
    lq = tiny.batch()["lq"]
    conditions = model.read_lq(lq)
    return list(model.sample(conditions, [generator(0), generator(1)], steps=3, **options))


def test_a_silent_bridge_is_srdm_and_segdm_alone_to_the_bit() -> None:
    model = tiny.joint(awake=False).eval()
    lq = tiny.batch()["lq"]
    joint = steps(model)
    for step, alone in zip(joint, steps(model, guidance=0.0, exchange=False), strict=True):
        assert torch.equal(step.predicted_latents, alone.predicted_latents)
        assert torch.equal(step.mask_log_probs, alone.mask_log_probs)
    # One step of the tasks themselves: the same generator draws the image's noise first.
    conditions = model.read_lq(lq)
    (first,) = model.sample(conditions, [generator(0), generator(1)], steps=1)
    image = model.srdm.restore(lq, [generator(0), generator(1)], steps=1)
    assert torch.equal(model.decode(first, conditions)[0], image)
    features = model.segdm.read_lq(lq).features
    with torch.no_grad():
        assert torch.equal(first.mask_log_probs, model.segdm.predict(first.masks, 999, features))


def test_an_awake_bridge_tells_both_branches() -> None:
    model = tiny.joint().eval()
    both, image_only, mask_only = (
        steps(model, **options) for options in ({}, {"exchange": False}, {"guidance": 0.0})
    )
    assert not torch.equal(both[0].predicted_latents, mask_only[0].predicted_latents)
    assert torch.equal(both[0].predicted_latents, image_only[0].predicted_latents)
    assert not torch.equal(both[0].mask_log_probs, image_only[0].mask_log_probs)
    assert torch.equal(both[0].mask_log_probs, mask_only[0].mask_log_probs)


def test_guidance_extrapolates() -> None:
    model = tiny.joint().eval()
    zero, one, two = (steps(model, guidance=g)[0].predicted_latents for g in (0.0, 1.0, 2.0))
    torch.testing.assert_close(two, zero + 2 * (one - zero), rtol=1e-4, atol=1e-4)


def test_both_states_are_at_the_same_time_on_the_way_down() -> None:
    trajectory = steps(tiny.joint().eval())
    assert [step.t for step in trajectory] == [999, 666, 332]
    assert all(0 <= int(s.masks.min()) <= int(s.masks.max()) < tiny.CLASSES for s in trajectory)


def test_a_given_mask_is_held_and_the_rest_is_estimated() -> None:
    model = tiny.joint().eval()
    mask = torch.full((2, 16, 16), 7)
    mask[:, :, 8:] = 255
    for step in steps(model, mask=mask):
        assert (step.masks[:, :, :8] == 7).all()
        assert (step.mask_log_probs.argmax(1)[:, :, :8] == 7).all()
    free = steps(model, mask=torch.full((2, 16, 16), 255))
    for step, plain in zip(free, steps(model), strict=True):
        assert torch.equal(step.masks, plain.masks)
    other = steps(model, mask=mask + (mask == 7).long())
    assert not torch.equal(other[0].predicted_latents, steps(model, mask=mask)[0].predicted_latents)


@pytest.mark.parametrize("start", ["noise", "lq"])
def test_the_noise_belongs_to_the_photograph(start: str) -> None:
    model = tiny.joint().eval()
    lq = tiny.batch(3)["lq"]
    names = ["a.jpg", "b.jpg", "c.jpg"]

    def restored(order: list[int]):
        conditions = model.read_lq(lq[order])
        keys = [generator(0, names[i]) for i in order]
        *_, last = model.sample(conditions, keys, steps=3, start=start)
        image, mask, _ = model.decode(last, conditions)
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
    srdm = tiny.srdm(residual_scale=None)
    latents = torch.randn(1, tiny.LATENTS, 16, 16)
    start = srdm.start_state(latents, 999, [generator(0)], "lq")
    noise = srdm.start_state(latents, 999, [generator(0)], "noise")
    expected = srdm.abar[999].sqrt() * latents + (1 - srdm.abar[999]).sqrt() * noise
    torch.testing.assert_close(start, expected)
    assert float(srdm.abar[999]) == pytest.approx(0.0046601, rel=1e-4)  # Stable Diffusion's


def test_residual_states_invert() -> None:
    latents, lq = torch.randn(2, 1, 4, 8, 8)
    for scale in (None, 0.25):
        srdm = tiny.srdm(residual_scale=scale)
        torch.testing.assert_close(srdm.from_state(srdm.to_state(latents, lq), lq), latents)
        t = torch.tensor([500])
        noise = torch.randn(1, 4, 8, 8)
        a = srdm.abar[t].view(1, 1, 1, 1)
        noisy = srdm.noisy_latents(
            a.sqrt() * srdm.to_state(latents, lq) + (1 - a).sqrt() * noise, lq, t
        )
        expected = a.sqrt() * latents + (scale or 1.0) * (1 - a).sqrt() * noise
        torch.testing.assert_close(noisy, expected)


def test_a_training_step_reaches_every_trainable_parameter() -> None:
    model = tiny.joint(drop=0.0).train()
    model.log = lambda *args, **kwargs: None
    model.training_step(tiny.batch(), 0).backward()
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert not [n for n, p in trainable.items() if p.grad is None]
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen
    assert all(n.startswith(("srdm.autoencoder.", "segdm.prior.")) for n in frozen)
    assert not model.segdm.prior.training
    assert model.srdm.controller.training


def test_dropped_conditions_keep_the_bridge_in_the_graph() -> None:
    """With everything dropped no parameter may go unused, or DDP would wait for it."""
    model = tiny.joint(drop=1.0).train()
    model.log = lambda *args, **kwargs: None
    model.training_step(tiny.batch(), 0).backward()
    assert all(p.grad is not None for p in model.bridge.parameters())
    assert not any(p.grad.any() for p in model.bridge.parameters())


def test_stage_one_trains_the_controller_and_the_sfts_alone() -> None:
    task = tiny.srdm(train_denoiser=False)
    trainable = {n for n, p in task.named_parameters() if p.requires_grad}
    assert trainable
    assert all(n.startswith("controller.") or ".sft." in n for n in trainable)


def test_unknown_pixels_count_in_no_loss() -> None:
    model = tiny.segdm()
    batch = tiny.batch()
    t = torch.tensor([400, 500])
    sample = model.noise(batch, t, [generator(i) for i in range(2)])
    assert not sample.known[:, :4].any()
    assert sample.known[:, 4:].all()
    logits = torch.randn(2, tiny.CLASSES, 16, 16, requires_grad=True)
    sum(model.loss(logits, sample, t)).backward()
    assert not logits.grad[:, :, :4].any()
    assert logits.grad[:, :, 4:].abs().amax(1).min() > 0


def test_diffusion_on_the_first_prediction_noises_the_guess() -> None:
    model = tiny.segdm(first_prediction=1.0).eval()
    batch = tiny.batch()
    early = torch.tensor([0, 0])  # almost no noise: S_t is what was noised
    generators = [generator(i) for i in range(2)]
    sample = model.noise(batch, early, generators)
    features = model.read_lq(batch["lq"]).features
    # The generators draw one number for the choice first, then the mask of the guess.
    twins = [generator(i) for i in range(2)]
    for g in twins:
        torch.rand(1, generator=g)
    guess = model.first_guess(features, twins)
    assert (sample.masks == guess).float().mean() > 0.99
    assert not torch.equal(sample.clean, guess)


def test_guidance_exaggerates_what_the_mask_changes() -> None:
    model = tiny.joint().eval()
    without, trained, strong = (steps(model, guidance=w)[0] for w in (0.0, 1.0, 2.5))
    difference = trained.predicted_latents - without.predicted_latents
    assert float(difference.abs().max()) > 0
    torch.testing.assert_close(
        strong.predicted_latents, without.predicted_latents + 2.5 * difference, atol=1e-4, rtol=1e-3
    )


def test_autoencoder_and_prior_run_once_per_image_whatever_the_steps(monkeypatch) -> None:
    model = tiny.joint().eval()
    calls = {"encode": 0, "decode": 0, "prior": 0}

    def counted(owner, method: str, name: str) -> None:
        original = getattr(owner, method)

        def count(*arguments, **options):
            calls[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, method, count)

    counted(model.srdm.autoencoder, "encode", "encode")
    counted(model.srdm.autoencoder, "decode", "decode")
    counted(model.segdm.prior, "forward", "prior")
    restored = model.restore(tiny.batch(1)["lq"][0], steps=5)
    assert calls == {"encode": 1, "decode": 1, "prior": 1}
    assert restored.trajectory == []
    shown = model.restore(tiny.batch(1)["lq"][0], steps=5, trajectory=True)
    assert calls == {"encode": 2, "decode": 6, "prior": 2}
    assert len(shown.trajectory) == 5
    assert torch.equal(shown.image, restored.image)
    assert torch.equal(shown.trajectory[-1].mask, restored.mask)
