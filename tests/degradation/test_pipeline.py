from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.degradation import Jpeg, Pipeline, Shrink
from segsr.errors import SegSRError
from segsr.seeding import generator

RECIPES = ["real_esrgan", "mild", "first_order", "bicubic"]


@pytest.fixture(scope="module")
def hq(photos):
    return torch.cat([photo[..., :128, :96] for photo in photos])


def generators(count, *key):
    return [generator("pipeline", i, *key) for i in range(count)]


@pytest.mark.parametrize("name", RECIPES)
def test_lq_has_a_quarter_of_the_size_and_is_what_a_file_holds(recipe, hq, name):
    sharp, lq = recipe(name)(hq, generators(3))
    assert sharp.shape == hq.shape
    assert lq.shape == (3, 3, 32, 24)
    assert lq.dtype == torch.float32
    torch.testing.assert_close(lq, (lq * 255).round() / 255)
    assert 0 <= float(lq.min()) <= float(lq.max()) <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_a_sample_degrades_alike_in_every_batch_and_with_any_number_of_threads(recipe, hq, name):
    pipeline = recipe(name)
    sharp, lq = pipeline(hq, generators(3))
    alone = [pipeline(hq[i : i + 1], generators(3)[i : i + 1]) for i in range(3)]
    assert torch.equal(torch.cat([pair[0] for pair in alone]), sharp)
    assert torch.equal(torch.cat([pair[1] for pair in alone]), lq)
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        try:
            again = pipeline(hq, generators(3))
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(again[0], sharp)
        assert torch.equal(again[1], lq)


@pytest.mark.parametrize("name", RECIPES)
def test_grouped_by_size_samples_degrade_as_alone(recipe, hq, name):
    """The road of an accelerator, where a batch goes through together."""
    pipeline = recipe(name)
    params = [pipeline.draw(generator(7, i)) for i in range(6)]
    batch = torch.cat([hq, hq])
    for together, alone in zip(
        pipeline._apply(batch, params, (32, 24)), pipeline.apply(batch, params), strict=True
    ):
        difference = (together - alone).abs()
        assert float((difference > 1e-5).float().mean()) < 1e-3  # rounding may tip over
        assert float(difference.max()) <= 2.1 / 255


@pytest.mark.parametrize("name", RECIPES)
def test_drawn_parameters_repeat_the_pair_from_their_json(recipe, hq, name):
    pipeline = recipe(name)
    sharp, lq, params = pipeline(hq, generators(3), return_params=True)
    again = pipeline.apply(hq, json.loads(json.dumps(params)))
    assert torch.equal(again[0], sharp)
    assert torch.equal(again[1], lq)
    assert len({json.dumps(each) for each in params}) == (1 if name == "bicubic" else 3)


def test_samples_differ_in_the_strong_recipe(recipe, hq):
    same = hq[:1].expand(4, -1, -1, -1)
    _, lq = recipe("real_esrgan")(same, generators(4))
    for i in range(3):
        assert float((lq[i] - lq[i + 1]).abs().mean()) > 0.01


def test_bicubic_is_pillows(photos):
    photo = photos[0][..., :396, :500]
    pixels = (photo[0] * 255).round().byte().permute(1, 2, 0).numpy()
    expected = np.asarray(Image.fromarray(pixels).resize((125, 99), Image.Resampling.BICUBIC))
    sharp, lq = Pipeline()(photo, generators(1))
    difference = (lq[0] * 255).permute(1, 2, 0).numpy() - expected
    assert np.abs(difference).mean() < 0.3  # Pillow rounds and clips after each axis
    assert np.abs(difference).max() <= 2.01
    assert torch.equal(sharp, photo)


def test_hq_is_sharpened_where_the_recipe_says_so(recipe, hq):
    sharp, _ = recipe("real_esrgan")(hq, generators(3))
    assert float((sharp - hq).abs().max()) > 0.05
    torch.testing.assert_close(sharp, (sharp * 255).round() / 255)
    same, _ = recipe("first_order")(hq, generators(3))
    assert torch.equal(same, hq)


def test_a_spared_sample_is_only_shrunk(recipe, hq):
    pipeline = recipe("mild", "clean_prob=1", "sharpen_hq=false")
    assert torch.equal(pipeline(hq, generators(3))[1], Pipeline()(hq, generators(3))[1])


def test_without_rounding_lq_keeps_its_fractions(recipe, hq):
    exact = recipe("bicubic", "++rounded=false")(hq, generators(3))[1]
    rounded = Pipeline()(hq, generators(3))[1]
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", [(64, 64), (68, 200), (4, 4)])
def test_small_images_and_a_batch_of_one_work(recipe, hq, name, size):
    image = hq[:1, :, : size[0], : size[1]].repeat(1, 1, 1, 3)[..., : size[1]]
    pipeline = recipe(name)
    for i in range(12):
        _, lq = pipeline(image, generators(1, i))
        assert lq.shape == (1, 3, size[0] // 4, image.shape[-1] // 4)
        assert torch.isfinite(lq).all()


@pytest.mark.parametrize("name", RECIPES)
def test_grey_images_work(recipe, hq, name):
    sharp, lq = recipe(name)(hq[:, :1], generators(3))
    assert sharp.shape == (3, 1, 128, 96)
    assert lq.shape == (3, 1, 32, 24)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_float_types_are_computed_in_float32(recipe, hq, dtype):
    coarse = hq.to(dtype)
    sharp, lq = recipe("real_esrgan")(coarse, generators(3))
    expected = recipe("real_esrgan")(coarse.float(), generators(3))
    assert sharp.dtype == lq.dtype == dtype
    assert torch.equal(sharp, expected[0].to(dtype))
    assert torch.equal(lq, expected[1].to(dtype))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.rand(1, 3, 66, 64), "multiple of 4, got 66x64: crop to 64x64"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "must be float images"),
        (torch.rand(3, 64, 64), "must be float images"),
        (torch.rand(1, 4, 64, 64), "1 or 3"),
        (torch.rand(1, 3, 0, 64), "multiple of 4"),
    ],
)
def test_what_cannot_be_degraded_is_refused(images, sentence):
    with pytest.raises(SegSRError, match=sentence):
        Pipeline()(images, generators(1))


def test_stages_must_end_at_the_lq_size(hq):
    with pytest.raises(SegSRError, match="must end at the LQ size"):
        Pipeline({"jpeg": Jpeg((50, 50))})(hq, generators(3))
    Pipeline({"shrink": Shrink(), "jpeg": Jpeg((50, 50))})(hq, generators(3))


_MEASURE = """
import resource, torch
from segsr import degradation
from segsr.seeding import generator
pipeline = degradation.recipe("real_esrgan")
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def run(hq):
    pipeline(hq, [generator(3, i) for i in range(len(hq))])
run(torch.rand(2, 3, 64, 64, generator=generator(0)))
hq = torch.rand(8, 3, 512, 512, generator=generator(1))
before = peak()
run(hq)
print((peak() - before) / (hq.numel() * 4))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_batch_degrades_in_little_memory():
    printed = subprocess.run(
        [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True
    ).stdout
    assert float(printed) < 12
