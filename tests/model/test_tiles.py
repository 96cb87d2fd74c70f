"""Sampling can be sliced: tiling is a function of `predict` and `crop`, outside the model."""

from functools import partial

import local
import pytest
import torch
from torch import Tensor

from segsr.diffusion.joint_sampler import Prediction
from segsr.diffusion.noise import keyed
from segsr.diffusion.state import State, Window
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel, Predict
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator

HEIGHT, WIDTH = 16, 192  # of the latent grid


def in_halves(predict: Predict) -> Predict:
    """`predict` over a left and a right half with overlap, each giving its own side's cells."""
    middle = WIDTH // 2
    left, right = (
        Window(0, start, HEIGHT, middle + local.MARGIN) for start in (0, middle - local.MARGIN)
    )

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a[..., :middle], b[..., local.MARGIN :]], -1)

    def over(state: State, conditions: Conditions, t: int) -> Prediction:
        halves = (predict(state.crop(w), conditions.crop(w), t) for w in (left, right))
        return Prediction(*map(joined, *halves))

    return over


@pytest.fixture(scope="module")
def model() -> JointModel:
    return local.joint()


@pytest.mark.parametrize("options", [{}, {"guidance": 2.0}, {"exchange": False, "start": "lq"}])
def test_two_halves_are_the_whole(model, options) -> None:
    lq = torch.rand(1, 3, HEIGHT, WIDTH, generator=generator("photo"))
    given = torch.full((1, HEIGHT, WIDTH), 255)
    given[..., 80:120] = 7
    conditions = model.read(to_canvas(lq), given)
    chosen = SamplingOptions(steps=2, **options)
    tiles = in_halves(partial(model.predict, options=chosen))
    whole = list(model.sample(conditions, keyed(0), chosen))
    tiled = list(model.sample(conditions, keyed(0), chosen, tiles))
    for ours, theirs in zip(tiled, whole, strict=True):
        assert torch.equal(ours.masks, theirs.masks)
        close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)
        close(ours.predicted_latents, theirs.predicted_latents)
        close(ours.mask_log_probs, theirs.mask_log_probs)


def test_conditions_are_cropped_on_their_own_grids(model) -> None:
    conditions = model.read(to_canvas(torch.rand(1, 3, 16, 32)), torch.zeros(1, 16, 32).long())
    part = conditions.crop(Window(4, 8, 8, 16))
    assert torch.equal(part.canvas, conditions.canvas[..., 16:48, 32:96])
    for name in ("lq_latents", "features", "prior_logits", "given"):
        assert torch.equal(getattr(part, name), getattr(conditions, name)[..., 4:12, 8:24])
    assert part.canvas.data_ptr() != part.canvas.clone().data_ptr()
    assert (
        part.canvas.untyped_storage().data_ptr() == conditions.canvas.untyped_storage().data_ptr()
    )
