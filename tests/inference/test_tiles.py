"""Tiles and bands: a partition of unity, pictures as of the whole, what fits and what does not."""

from dataclasses import replace
from itertools import pairwise

import local
import pytest
import tiny
import torch
from torch.nn import functional as F

from segsr.diffusion.noise import keyed
from segsr.diffusion.state import State, Window
from segsr.errors import SegSRError
from segsr.files.photo import read_photo
from segsr.inference.bands import bands, restore_in_bands
from segsr.inference.memory import Layout, bytes_per_pixel, free_bytes, lay_out
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.prior import prior_in
from segsr.inference.restoration import restore
from segsr.inference.tiles import Tiling, blend, ramp, tiled_predict
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior
from segsr.samples import samples_folder

GIB = 2**30


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


@pytest.fixture(scope="module")
def compact() -> JointModel:
    return JointModel.from_pretrained("compact")


@pytest.fixture(scope="module")
def lq() -> torch.Tensor:
    photo = read_photo(samples_folder() / "images" / "friends.jpg").image
    return F.interpolate(photo[None, :, :384, :512], scale_factor=0.25, mode="area")[0]


@pytest.mark.parametrize("length", [1, 7, 64, 65, 100, 128, 1000])
@pytest.mark.parametrize(("size", "overlap", "stride"), [(64, 16, 4), (32, 8, 8), (16, 0, 1)])
def test_tiles_cover_the_grid_and_their_weights_sum_to_one(length, size, overlap, stride) -> None:
    length = -(-length // stride) * stride
    side, starts = Tiling(size, overlap, stride).cut(length)
    assert side <= size
    assert starts[0] == 0
    assert starts[-1] + side == length
    assert all(start % stride == 0 for start in starts)
    shared = [a + side - b for a, b in pairwise(starts)]
    assert all(share >= max(overlap - stride, 0) for share in shared)
    total = torch.zeros(length)
    for start in starts:
        total[start : start + side] += ramp(start, side, starts)
    torch.testing.assert_close(total, torch.ones(length))


def test_a_blend_of_views_is_the_whole() -> None:
    whole = torch.rand(2, 3, 20, 52)
    windows = Tiling(16, 4, 4).windows(20, 52)
    assert len(windows) == 8
    found = blend(
        windows, (20, 52), lambda found: torch.cat([window.of(whole) for window in found]), 1
    )
    torch.testing.assert_close(found, whole)


def test_one_tile_does_not_veto_a_class() -> None:
    """Probabilities are blended: their logarithms would let one tile's zero win."""

    def predict(state, conditions, t):
        sure = int(conditions.lq_latents.max() >= 8)
        log_p = torch.full((1, 2, *state.masks.shape[-2:]), 1e-30).log()
        log_p[:, sure] = 0
        return log_p

    columns = torch.arange(12.0).expand(1, 1, 4, 12)
    conditions = Conditions(*[columns] * 4)
    state = State(torch.zeros(1, 1, 4, 12), torch.zeros(1, 4, 12).long())
    over = tiled_predict(predict, lambda state, *_: state.latents, Tiling(8, 4))
    log_p = over(state, conditions, 0).mask_log_probs
    middle = log_p[0, :, 0, 6].exp()
    assert middle.min() > 0.2
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(1, 4, 12))


@pytest.mark.parametrize("options", [{}, {"steps": 2, "guidance": 2.0}])
def test_a_tiled_picture_is_the_whole_picture(compact, lq, options) -> None:
    chosen = SamplingOptions(**options)
    whole = restore(compact, lq, keyed(0), chosen)
    tiled = restore(compact, lq, keyed(0), chosen, tiling=Tiling(64, 16, 4))
    assert psnr(tiled.image, whole.image) > 45
    assert (tiled.mask == whole.mask).float().mean() > 0.99


def test_borders_of_tiles_are_no_worse_than_their_middles(compact, lq) -> None:
    whole = restore(compact, lq, keyed(0), SamplingOptions())
    tiling = Tiling(64, 16, 4)
    tiled = restore(compact, lq, keyed(0), SamplingOptions(), tiling=tiling)
    error = (tiled.image - whole.image).square().mean(0)
    side, starts = tiling.cut(lq.shape[-1])
    near = torch.zeros(error.shape[-1], dtype=torch.bool)
    for start in starts[1:]:
        near[4 * start - 8 : 4 * start + 8] = True
    for start in starts[:-1]:
        near[4 * (start + side) - 8 : 4 * (start + side) + 8] = True
    assert float(error.max().sqrt()) < 6 / 255
    assert error[:, near].mean() < 1e-4
    assert error[:, near].mean() <= 1.05 * error[:, ~near].mean()


def test_a_flat_photograph_shows_no_lattice(compact) -> None:
    flat = torch.full((3, 96, 160), 0.5)
    image = restore(compact, flat, keyed(0), SamplingOptions(), tiling=Tiling(64, 16, 4)).image
    plain = restore(compact, flat, keyed(0), SamplingOptions()).image
    for across in ((0, 1), (0, 2)):
        assert float((image - plain).mean(across).abs().max()) < 0.2 / 255


def test_networks_with_statistics_and_attention_are_tiled_too() -> None:
    model = tiny.joint().eval().model
    image = torch.rand(3, 24, 40)
    given = torch.full((24, 40), 255)
    given[:, :10] = 3
    found = restore(model, image, keyed(0), SamplingOptions(), mask=given, tiling=Tiling(16, 4, 2))
    assert found.image.shape == (3, 96, 160)
    assert (found.mask[:, :40] == 3).all()


def test_what_the_prior_sees_of_a_window_is_what_it_sees_of_the_whole() -> None:
    coarse = Prior(torch.rand(1, 4, 6, 9), torch.rand(1, 5, 6, 9))
    size = (24, 36)
    window = Window(8, 4, 10, 20)
    for found, whole in zip(prior_in(coarse, window, size), coarse, strict=True):
        expected = window.of(F.interpolate(whole, size, mode="bilinear"))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_bands_are_the_whole_picture(compact, lq) -> None:
    chosen = SamplingOptions()
    whole = restore(compact, lq, keyed(0), chosen)
    layout = Layout(Tiling(64, 16, 4), band=64, overlap=32, step=4)
    assert len(bands(96, layout)[1]) == 2
    seen = []
    found = restore_in_bands(compact, lq, keyed(0), chosen, layout, on_step=seen.append)
    assert len(seen) == 2
    assert found.image.dtype == found.mask.dtype == torch.uint8
    assert psnr(found.image / 255, whole.image) > 45
    sure = (found.mask != 255) & (whole.mask != 255)
    assert (found.classes == whole.classes)[sure].float().mean() > 0.95


def test_a_mask_handed_in_is_held_in_bands() -> None:
    model = local.joint()
    image = torch.rand(3, 96, 16)
    given = torch.full((96, 16), 255)
    given[20:70, 4:] = 9
    layout = Layout(Tiling(64, 16, 2), band=64, overlap=32, step=2)
    found = restore_in_bands(model, image, keyed(0), SamplingOptions(steps=1), layout, mask=given)
    assert (found.mask[80:280, 16:] == 9).all()


def test_tiles_are_large_where_memory_allows_and_small_where_not(compact) -> None:
    def layout(height, width, tile="auto", free=16 * GIB):
        return lay_out(compact, height, width, tile, free=free, per_pixel=lambda: 400.0)

    assert layout(64, 64).band == 64
    roomy = layout(3000, 4000)
    assert roomy.tiling.size * 4 == 1024
    assert roomy.band < 3000
    assert layout(3000, 4000, free=64 * GIB) == roomy
    assert layout(3000, 4000, free=4 * GIB).band < roomy.band
    narrow = layout(750, 1000, free=GIB // 2)
    assert 256 <= narrow.tiling.size * 4 < 1024
    assert layout(750, 1000, tile=512).tiling.size * 4 == 512
    assert layout(200, 300, tile="off").tiling.windows(200, 300) == [Window(0, 0, 200, 300)]
    with pytest.raises(SegSRError, match=r"a tile of 4000 px takes 4.5 GiB.*--tile auto"):
        layout(750, 1000, tile="off", free=GIB)
    assert layout(16, 4000, tile="off", free=2 * GIB).band == 16  # long, but narrow
    with pytest.raises(SegSRError, match="tile is 8, but must be auto, off, or"):
        layout(750, 1000, tile=8)
    with pytest.raises(SegSRError, match=r"a tile of 1024 px takes 0\.4 GiB, but 0\.0 GiB"):
        layout(750, 1000, free=GIB // 64)


def test_memory_is_measured(compact) -> None:
    assert 50 < bytes_per_pixel(compact, 1.0) < 2000
    assert bytes_per_pixel(compact, 2.0) > bytes_per_pixel(compact, 1.0)
    assert free_bytes(torch.device("cpu")) > 2**28


def test_the_pipeline_goes_in_bands_where_it_must(compact, lq, monkeypatch) -> None:
    pipeline = SegSRPipeline(compact)
    pipeline.set_progress_bar_config(disable=True)
    whole = pipeline(lq)
    layout = Layout(Tiling(64, 16, 4), band=64, overlap=32, step=4)
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: layout)
    found = pipeline(lq)
    assert found.image.shape == whole.image.shape
    assert psnr(found.image / 255, whole.image) > 45
    with pytest.raises(SegSRError, match="no trajectory"):
        pipeline(lq, trajectory=True)
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: replace(layout, band=96))
    assert len(pipeline(lq, trajectory=True).trajectory) == 1
