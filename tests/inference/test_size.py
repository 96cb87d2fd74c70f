"""Any size: how it is reached, what cannot be had, and the resize at the end."""

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from segsr.errors import SegSRError
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.size import Size, resize, resize_mask
from segsr.seeding import generator


@pytest.fixture(scope="module")
def pipeline() -> SegSRPipeline:
    found = SegSRPipeline(tiny.joint(seed=1).model.eval())
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize(
    ("wanted", "said", "sides"),
    [
        (Size(), "x4", (80, 120)),
        (Size(scale=1), "x4, then resized to 30x20", (20, 30)),
        (Size(scale=1.5), "x4, then resized to 45x30", (30, 45)),
        (Size(scale=4), "x4", (80, 120)),
        (Size(scale=8), "x4 twice, then resized to 240x160", (160, 240)),
        (Size(scale=16), "x4 twice", (320, 480)),
        (Size(long_side=100), "x4, then resized to 100x67", (67, 100)),
        (Size(size=(300, 200)), "x4 twice, then resized to 300x200", (200, 300)),
        (Size(size=(100, 66)), "x4, then resized to 100x66", (66, 100)),
    ],
)
def test_how_a_size_is_reached(wanted, said, sides) -> None:
    found = wanted.of(20, 30)
    assert (str(found), (found.height, found.width)) == (said, sides)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 0.9}, "scale is 0.9, but must be from 1 to 16"),
        ({"scale": float("nan")}, "from 1 to 16"),
        ({"scale": 2, "long_side": 80}, "leave one"),
        ({"long_side": 0}, "at least 1"),
        ({"long_side": 29}, "0.967 times a photograph of 30x20"),
        ({"long_side": 481}, "from 1 to 16 times"),
        ({"size": (100, 100)}, "give 100x67 or 150x100, and crop"),
    ],
)
def test_what_cannot_be_had_is_told(values, message) -> None:
    with pytest.raises(SegSRError, match=message):
        Size(**values).of(20, 30)


@pytest.mark.parametrize("values", [{"scale": 1.5}, {"long_side": 30}, {"size": (30, 21)}])
def test_a_restoration_is_resized_as_pillow_does(pipeline, values) -> None:
    photo = torch.rand(3, 14, 20, generator=generator("photo"))
    full = pipeline(photo)
    found = pipeline(photo, **values)
    for ours, before in zip(found.image, full.image, strict=True):
        exact = Image.fromarray(before.numpy()).resize((30, 21), Image.Resampling.LANCZOS)
        np.testing.assert_allclose(ours.numpy(), np.asarray(exact).clip(0, 1), atol=1e-6)
    for y, x in [(0, 0), (20, 29), (10, 15), (7, 4)]:  # the pixel under the new one's centre
        nearest = full.mask[int((y + 0.5) * 56 / 21 + 1e-9), int((x + 0.5) * 80 / 30 + 1e-9)]
        assert found.mask[y, x] == nearest
    assert found.classes.shape == (21, 30)
    assert str(found.enlargement) == "x4, then resized to 30x21"


def test_twice_is_once_and_once_again(pipeline) -> None:
    photo = torch.rand(3, 8, 9, generator=generator("photo"))
    again = pipeline(photo, scale=16, temperature=0, exchange=False, guidance=0)
    once = pipeline(photo, temperature=0, exchange=False, guidance=0)
    twice = pipeline(once.image, temperature=0, exchange=False, guidance=0)
    assert torch.equal(again.image, twice.image)
    assert str(again.enlargement) == "x4 twice"


@pytest.mark.parametrize("sides", [(8, 9), (32, 36), (64, 72)])
def test_a_mask_goes_along(pipeline, sides) -> None:
    photo = torch.rand(3, 8, 9, generator=generator("photo"))
    mask = torch.full(sides, 7)
    mask[: sides[0] // 2] = 3
    found = pipeline(photo, mask=mask, scale=8)
    assert (found.mask[:32] == 3).all()
    assert (found.mask[32:] == 7).all()


def test_a_trajectory_is_resized_along(pipeline) -> None:
    found = pipeline(torch.rand(3, 8, 9), trajectory=True, scale=2)
    assert [tuple(step.image.shape) for step in found.trajectory] == [(3, 16, 18)] * 2
    assert torch.equal(found.trajectory[-1].image, found.image)


def test_eight_bits_stay_eight_bits_and_values_within() -> None:
    bits = torch.randint(256, (3, 20, 30), dtype=torch.uint8, generator=generator("bits"))
    small = resize(bits, 7, 11)
    assert (small.dtype, tuple(small.shape)) == (torch.uint8, (3, 7, 11))
    edges = (bits > 127).float()
    grown = resize(edges, 50, 50)
    assert (float(grown.min()), float(grown.max())) == (0.0, 1.0)


def test_classes_are_never_mixed() -> None:
    mask = torch.tensor([[0, 255], [7, 3]])
    expected = torch.tensor([[0, 0, 255], [0, 0, 255], [7, 7, 3]])
    found = resize_mask(mask, 3, 3)
    assert set(found.unique().tolist()) <= {0, 3, 7, 255}
    assert torch.equal(resize_mask(expected, 3, 3), expected)
    assert torch.equal(resize_mask(found, 2, 2), mask)
