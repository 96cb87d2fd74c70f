"""SegDM before the image's steps: the mask that the Seg Controller sees, in tiles too."""

from __future__ import annotations

import pytest
import tiny
import torch

from segsr.diffusion.noise import keyed
from segsr.errors import SegSRError
from segsr.inference.tiles import Tiling, tiled_predict
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas

OPTIONS = SamplingOptions(steps=1)


def joint(mask_first: int) -> JointModel:
    model = tiny.joint().eval().model
    model.mask_first = mask_first
    return model


def step(model: JointModel, given=None, predict=None, options=OPTIONS):
    conditions = model.read(to_canvas(tiny.batch(1)["lq"]), given)
    (last,) = model.sample(conditions, keyed(0), options, predict)
    return conditions, last


@pytest.mark.parametrize("steps", [1, 3])
def test_the_image_sees_the_mask_that_segdm_arrives_at_alone(steps: int) -> None:
    model = joint(steps)
    conditions, last = step(model)
    *_, log_mask = model.mask.sample(conditions.features, keyed(0), steps)
    assert torch.equal(last.mask_log_probs, log_mask)
    now = torch.tensor([999])
    with torch.no_grad():
        output = model.denoise(last.latents, now, conditions.lq_latents, log_mask.argmax(1))
        blind = model.denoise(last.latents, now, conditions.lq_latents, last.masks)
    kind = {"v_prediction": lambda x: x}[model.image.scheduler.config.prediction_type]
    abar = model.image.abar[999]
    expected = abar.sqrt() * last.latents - (1 - abar).sqrt() * kind(output)
    torch.testing.assert_close(last.predicted_latents, expected)
    assert not torch.allclose(output, blind)


def test_where_it_is_unsure_the_image_is_not_steered() -> None:
    model = joint(1)
    model.mask.confidence = 1.1
    _, unsure = step(model)
    _, without = step(model, options=SamplingOptions(steps=1, guidance=0))
    torch.testing.assert_close(unsure.predicted_latents, without.predicted_latents)


def test_a_given_mask_is_held_and_seen() -> None:
    model = joint(2)
    given = torch.full((1, 16, 16), 255)
    given[:, :8] = 3
    _, last = step(model, given)
    assert (last.mask_log_probs.argmax(1)[:, :8] == 3).all()
    _, other = step(model, torch.where(given == 3, 4, 255))
    assert not torch.equal(last.predicted_latents, other.predicted_latents)


def test_tiles_blend_the_mask_before_the_image_sees_it() -> None:
    model = joint(2)
    asked = []

    def mask(state, conditions, t):
        asked.append("mask" if conditions.mask_only else "?")
        return model.predict_mask(state, conditions, t, OPTIONS)

    def image(state, conditions, t, log_mask):
        asked.append("image" if conditions.estimate is not None else "?")
        return model.predict_image(state, conditions, t, log_mask, OPTIONS)

    tiles = Tiling(12, 8, 2)
    _, last = step(model, predict=tiled_predict(mask, image, tiles, lambda: asked.append("tile")))
    count = len(tiles.windows(16, 16))
    assert count > 1
    assert asked == ["mask"] * (2 * count) + ["image", "tile"] * count
    torch.testing.assert_close(last.mask_log_probs.exp().sum(1), torch.ones(1, 16, 16))
    _, whole = step(model, predict=tiled_predict(mask, image, Tiling(16, 8, 2)))
    _, plain = step(model)
    assert torch.equal(whole.predicted_latents, plain.predicted_latents)


def test_a_folder_says_that_the_mask_goes_first_where_it_starts_and_in_how_many_steps(
    tmp_path,
) -> None:
    model = joint(2)
    model.image.start, model.image.steps, model.image.most_steps = "latent", 1, 1
    model.save_pretrained(tmp_path)
    found = JointModel.from_pretrained(tmp_path)
    assert found.mask_first == 2
    assert (found.image.start, found.image.most_steps) == ("latent", 1)
    found.image.check(SamplingOptions(steps=1))
    found.image.check(SamplingOptions())
    with pytest.raises(SegSRError, match="distilled to 1 and does worse with more"):
        found.image.check(SamplingOptions(steps=2))


def test_the_start_at_the_latent_is_the_latent() -> None:
    for scale, expected in ((None, 1.0), (0.25, 0.0)):  # a residual of nothing
        branch = tiny.image_branch(residual_scale=scale, start="latent")
        latents = torch.randn(1, tiny.LATENTS, 16, 16)
        start = branch.start_state(latents, 999, keyed(0), SamplingOptions())
        assert torch.equal(start, expected * latents)
