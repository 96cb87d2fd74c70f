from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from segsr.config import build, load_config
from segsr.data import ImageFolder, PairDataModule
from segsr.data.pair_maker import PairMaker, resize_short_side
from segsr.degradation import Pipeline
from segsr.errors import SegSRError
from segsr.files.pixels import read_image
from segsr.nets.resize_codec import pillow_bicubic
from segsr.samples import samples_folder


@pytest.fixture(scope="module")
def strong():
    return build(load_config(None, [], default="degrade").degradation)


def test_pairs_are_those_of_the_data_module(strong):
    data = PairDataModule(
        root=samples_folder(),
        test=[ImageFolder(images="images")],
        degradation=strong,
        eval_crop=256,
        seed=3,
    )
    make = PairMaker(strong, seed=3, crop=256)
    for raw in data.test_dataloader():
        batch = data.on_after_batch_transfer(raw)
        pair = make(samples_folder() / "images" / batch["name"][0])
        assert torch.equal(pair.hq[None] / 255, batch["hq"])
        assert torch.equal(pair.lq[None] / 255, batch["lq"])
        assert torch.equal(pair.bicubic, (pillow_bicubic(batch["lq"])[0] * 255).round().byte())


def test_the_paper_takes_the_middle_of_the_short_side(tmp_path):
    photo = Image.open(samples_folder() / "images" / "picos.jpg").resize((900, 620))
    photo.save(tmp_path / "wide.png")
    make = build(load_config(None, ["degradation=bicubic"], default="paper_testset").pairs)
    pair = make(tmp_path / "wide.png")
    assert pair.hq.shape == (3, 512, 512)
    assert pair.lq.shape == (3, 128, 128)
    width = round(900 * 512 / 620)
    resized = np.asarray(photo.resize((width, 512), Image.Resampling.BICUBIC)).astype(int)
    left = (width - 512) // 2 // 4 * 4
    expected = resized[:, left : left + 512]
    difference = np.abs(pair.hq.permute(1, 2, 0).numpy() - expected)
    assert difference.max() <= 2
    assert difference.mean() < 0.2


def test_without_a_crop_photographs_stay_whole_to_a_multiple_of_four(picture, tmp_path):
    pair = PairMaker(Pipeline())(picture(tmp_path / "odd.png", 83, 70))
    assert pair.hq.shape == (3, 68, 80)
    assert pair.lq.shape == (3, 17, 20)
    assert pair.bicubic.shape == (3, 68, 80)


@pytest.mark.parametrize(("size", "expected"), [((40, 100), (20, 50)), ((33, 20), (33, 20))])
def test_the_short_side_gets_its_length(size, expected):
    pixels = torch.randint(256, (3, *size), dtype=torch.uint8)
    assert resize_short_side(pixels, 20).shape[1:] == expected


def test_seed_and_name_make_the_pair(strong, picture, tmp_path):
    one = picture(tmp_path / "one.png", 64, 64)
    (tmp_path / "two.png").write_bytes(one.read_bytes())
    pairs = [
        PairMaker(strong, seed=seed)(tmp_path / name)
        for name, seed in (("one.png", 0), ("one.png", 0), ("one.png", 1), ("two.png", 0))
    ]
    assert torch.equal(pairs[0].lq, pairs[1].lq)
    assert not torch.equal(pairs[0].lq, pairs[2].lq)
    assert not torch.equal(pairs[0].lq, pairs[3].lq)


def test_parameters_explain_the_pair(strong):
    path = samples_folder() / "images" / "stream.jpg"
    pair = PairMaker(strong)(path)
    hq, lq = strong.apply(read_image(path)[None] / 255, [pair.params])
    assert torch.equal(hq[0], pair.hq / 255)
    assert torch.equal(lq[0], pair.lq / 255)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"crop": 30}, "crop must be a positive multiple of 4, got 30"),
        ({"crop": 64, "short_side": 32}, "crop=64 is larger than short_side=32"),
        ({"degradation": Pipeline(rounded=False)}, "set degradation.rounded=true"),
    ],
)
def test_what_makes_no_sense_is_refused(options, sentence):
    with pytest.raises(SegSRError, match=sentence):
        PairMaker(**({"degradation": Pipeline()} | options))


def test_a_photograph_below_the_crop_is_refused(picture, tmp_path):
    with pytest.raises(SegSRError, match="40x20, smaller than crop=32"):
        PairMaker(Pipeline(), crop=32)(picture(tmp_path / "small.png", 40, 20))
