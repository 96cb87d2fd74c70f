"""Strength: from the photograph enlarged to all that the model restores."""

import pytest
import tiny
import torch

from segsr.diffusion.noise import keyed
from segsr.errors import SegSRError
from segsr.inference.pipeline import SegSRPipeline
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator

SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
PHOTO = torch.rand(3, 16, 16, generator=generator("photo"))


@pytest.fixture(scope="module")
def pipeline() -> SegSRPipeline:
    found = SegSRPipeline(tiny.joint(seed=1).model.eval())
    found.set_progress_bar_config(disable=True)
    return found


def test_its_ends(pipeline) -> None:
    canvas = to_canvas(PHOTO[None])[0]
    assert torch.equal(pipeline(PHOTO, strength=0).image, canvas)
    assert torch.equal(pipeline(PHOTO, strength=1).image, pipeline(PHOTO).image)


@pytest.mark.parametrize("temperature", [0, 1])
def test_more_is_always_further_from_the_photograph(pipeline, temperature) -> None:
    canvas = to_canvas(PHOTO[None])[0]
    images = (pipeline(PHOTO, strength=x, temperature=temperature).image for x in SHARES)
    far = [float((image - canvas).abs().mean()) for image in images]
    assert far == sorted(far)
    assert far[-1] > 1.2 * far[-2]


def test_it_multiplies_temperature_and_guidance_and_begins_at_lq(pipeline) -> None:
    branch = pipeline.model.image
    latents = branch.encode(to_canvas(PHOTO[None]))
    half = SamplingOptions(strength=0.5, temperature=0.8, start="noise")
    start = branch.start_state(latents, 999, keyed(0), half)
    plain = branch.start_state(latents, 999, keyed(0), SamplingOptions(temperature=0.4))
    torch.testing.assert_close(start, plain)
    assert SamplingOptions(strength=0.5, guidance=3.0).semantic_guidance == 1.5
    assert SamplingOptions(strength=0.5).begins_at_lq
    assert not SamplingOptions().begins_at_lq
    assert not SamplingOptions(strength=0.5, start="noise").begins_at_lq


def test_a_silent_bridge_costs_no_second_call() -> None:
    model = tiny.joint(seed=1, awake=False).model.eval()
    calls = []
    model.image.denoiser.register_forward_hook(lambda *a: calls.append(len(a[1][0])))
    found = SegSRPipeline(model)
    found.set_progress_bar_config(disable=True)
    found(PHOTO, strength=0.5, steps=3)
    assert calls == [1, 1, 1]
    for projection in model.bridge.seg_controller.projections:
        torch.nn.init.normal_(projection.weight)
    found(PHOTO, strength=0.5, steps=1)
    assert calls[3:] == [2]


@pytest.mark.parametrize("values", [{"strength": 1.1}, {"strength": -0.1}])
def test_senseless_values_are_refused(values) -> None:
    with pytest.raises(SegSRError, match="but must be"):
        SamplingOptions(**values)


def test_what_was_done_is_told(pipeline) -> None:
    options = pipeline(PHOTO, strength=0.5, colour="wavelet").options
    assert (options.strength, options.colour, options.start) == (0.5, "wavelet", "lq")
    assert (options.steps, options.temperature) == (2, 1.0)
    assert pipeline(PHOTO).options.colour == "none"


def test_a_model_folder_keeps_its_colour(tmp_path) -> None:
    tiny.joint(seed=1).save_pretrained(tmp_path)
    assert SegSRPipeline.from_pretrained(tmp_path)(PHOTO).options.colour == "none"
    settings = tmp_path / "segsr.json"
    settings.write_text(settings.read_text().replace('"colour": "none"', '"colour": "wavelet"'))
    restored = SegSRPipeline.from_pretrained(tmp_path)
    assert restored(PHOTO).options.colour == "wavelet"
    shift = (restored(PHOTO).image - to_canvas(PHOTO[None])[0]).mean((1, 2)).abs()
    plain = (restored(PHOTO, colour="none").image - to_canvas(PHOTO[None])[0]).mean((1, 2)).abs()
    assert shift.max() < plain.max()
