"""What the tasks train: losses, gradients, frozen parts."""

import tiny
import torch

from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator


def test_a_training_step_reaches_every_trainable_parameter() -> None:
    model = tiny.joint(drop=0.0).train()
    model.log = lambda *args, **kwargs: None
    model.training_step(tiny.batch(), 0).backward()
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert not [n for n, p in trainable.items() if p.grad is None]
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen
    assert all(n.startswith(("srdm.branch.autoencoder.", "segdm.branch.prior.")) for n in frozen)
    assert not model.segdm.branch.prior.training
    assert model.srdm.branch.controller.training


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
    assert all(n.startswith("branch.controller.") or ".sft." in n for n in trainable)


def test_unknown_pixels_count_in_no_loss() -> None:
    model = tiny.segdm()
    batch = tiny.batch()
    t = torch.tensor([400, 500])
    prior = model.branch.read(to_canvas(batch["lq"]))
    sample = model.noise(prior, batch["mask"], t, [generator(i) for i in range(2)])
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
    prior = model.branch.read(to_canvas(batch["lq"]))
    sample = model.noise(prior, batch["mask"], early, generators)
    # The generators draw one number for the choice first, then the mask of the guess.
    twins = [generator(i) for i in range(2)]
    for g in twins:
        torch.rand(1, generator=g)
    guess = model.first_guess(prior.features, twins)
    assert (sample.masks == guess).float().mean() > 0.99
    assert not torch.equal(sample.clean, guess)
