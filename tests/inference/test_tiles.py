"""Tiles and bands: a partition of unity, pictures as of the whole, what fits and what does not."""

from dataclasses import replace
from functools import partial
from itertools import count, pairwise

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
from segsr.inference.within_memory import restore_within_memory
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior
from segsr.samples import samples_folder
from segsr.seeding import generator

GIB = 2**30


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


@pytest.fixture(scope="module")
def compact() -> JointModel:
    return JointModel.from_pretrained("compact")


@pytest.fixture(scope="module")
def lq() -> torch.Tensor:
    photo = read_photo(samples_folder() / "images" / "friends.jpg").image
    return F.interpolate(photo[None, :, :256, :512], scale_factor=0.25, mode="area")[0]


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
    for batch, margin in ((1, 0), (3, 1), (8, 2)):
        tiling = Tiling(16, 4, 4, batch, margin=margin)
        assert len(tiling.windows(20, 52)) == 8
        found = blend(tiling, (20, 52), lambda ws: torch.cat([w.of(whole) for w in ws]))
        torch.testing.assert_close(found, whole)


def test_what_lies_in_a_margin_says_nothing() -> None:
    _, starts = Tiling(24, 16, 4, margin=4).cut(56)
    for start in starts:
        weight = ramp(start, 24, starts, margin=4)
        assert float(weight[:4].sum()) == (4 if start == 0 else 0)
        assert float(weight[-4:].sum()) == (4 if start == starts[-1] else 0)
    total = torch.zeros(56)
    for start in starts:
        total[start : start + 24] += ramp(start, 24, starts, margin=4)
    torch.testing.assert_close(total, torch.ones(56))


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
def test_local_networks_are_tiled_exactly(options) -> None:
    """With a margin as wide as they reach, whatever lies beyond the tiles."""
    model, chosen = local.joint(), SamplingOptions(**options)
    image = torch.rand(3, 16, 288, generator=generator("photo"))
    mask = torch.full((16, 288), 255)
    mask[:, 80:90] = 7
    whole = restore(model, image, keyed(0), chosen, mask=mask)
    tiling = Tiling(176, 2 * local.MARGIN, 2, margin=local.MARGIN)
    assert len(tiling.windows(16, 288)) == 4
    tiled = restore(model, image, keyed(0), chosen, mask=mask, tiling=tiling)
    torch.testing.assert_close(tiled.image, whole.image, atol=1e-5, rtol=0)
    assert torch.equal(tiled.mask, whole.mask)


def test_masks_see_beyond_their_tiles() -> None:
    """So that they are those of the whole where the image's tiles do not reach as far."""
    model, chosen = local.joint(), SamplingOptions(steps=1)
    image = torch.rand(3, 16, 256, generator=generator("photo"))
    whole = restore(model, image, keyed(0), chosen)
    shares = []
    for beyond in (0, local.MARGIN):
        tiling = Tiling(48, 16, 2, beyond=beyond)
        tiled = restore(model, image, keyed(0), chosen, tiling=tiling)
        shares.append(float((tiled.classes == whole.classes).float().mean()))
    assert shares[0] < 0.999 < shares[1]


def test_a_tiled_picture_is_the_whole_picture(compact, lq) -> None:
    whole = restore(compact, lq, keyed(0), SamplingOptions())
    tiling = Tiling(64, 16, 4, beyond=32)
    tiled = restore(compact, lq, keyed(0), SamplingOptions(), tiling=tiling)
    assert psnr(tiled.image, whole.image) > 45
    assert (tiled.mask == whole.mask).float().mean() > 0.995
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
    flat, tiling = torch.full((3, 64, 112), 0.5), Tiling(64, 16, 4, beyond=32)
    image = restore(compact, flat, keyed(0), SamplingOptions(), tiling=tiling).image
    plain = restore(compact, flat, keyed(0), SamplingOptions()).image
    for across in ((0, 1), (0, 2)):
        assert float((image - plain).mean(across).abs().max()) < 0.2 / 255


@pytest.mark.parametrize("kind", ["tiny", pytest.param("compact", marks=pytest.mark.slow)])
def test_tiles_come_out_the_same_on_any_threads_and_in_any_batch(kind) -> None:
    """To the byte on any threads; a linear layer of several rows rounds otherwise than of one."""
    model = tiny.joint().eval().model if kind == "tiny" else JointModel.from_pretrained(kind)
    image = torch.rand(3, 24, 40, generator=generator("photo"))
    threads, found = torch.get_num_threads(), []
    for batch, cores in ((1, 1), (1, 2), (4, 1)):
        torch.set_num_threads(cores)
        tiling, chosen = Tiling(16, 4, 4, batch, beyond=4), SamplingOptions(steps=1)
        found.append(restore(model, image, keyed(0), chosen, tiling=tiling))
    torch.set_num_threads(threads)
    one, two, batched = found
    assert torch.equal(one.image, two.image)
    assert torch.equal(one.mask, two.mask)
    assert float((batched.image - one.image).abs().max()) < 1e-4
    assert (batched.mask == one.mask).float().mean() > 0.999


def test_a_cpu_sees_one_tile_at_a_time_and_so_gives_the_same_bytes(monkeypatch) -> None:
    model, batches = local.joint(), []
    lay_out_once = partial(lay_out, model, 16, 300, 256, free=16 * GIB, per_pixel=lambda: 400.0)

    def layout(largest: int, together: int) -> Layout:
        found = lay_out_once(largest=largest, together=together)
        batches.append(found.tiling.batch)
        return found

    options = SamplingOptions(steps=1)
    restore_within_memory(model, torch.rand(3, 16, 300), keyed(0), options, 256, layout)
    assert batches == [1]
    assert lay_out_once(together=8).tiling.batch == 8
    assert lay_out_once(together=8, free=GIB // 20).tiling.batch == 2


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


@pytest.mark.parametrize("steps", [1, 2])
def test_bands_are_the_whole_picture(steps) -> None:
    """With its noise; the photograph's height is no multiple of anything."""
    model, chosen = local.joint(), SamplingOptions(steps=steps)
    image = torch.rand(3, 301, 17, generator=generator("photo"))
    whole = restore(model, image, keyed(0, "a.jpg"), chosen)
    overlap = 3 * local.MARGIN
    layout = Layout(Tiling(512, 0, 2), band=244, overlap=overlap, step=2)
    assert len(bands(301, layout)[1]) == 3
    seen: list[int] = []
    noise = keyed(0, "a.jpg")
    found = restore_in_bands(model, image, noise, chosen, layout, on_step=seen.append)
    assert len(seen) == 3 * steps
    assert found.image.dtype == found.mask.dtype == torch.uint8
    assert psnr(found.image / 255, whole.image) > 45
    assert (found.mask == whole.mask).float().mean() > 0.999
    assert (found.classes == whole.classes).float().mean() > 0.999


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
    with pytest.raises(SegSRError, match=r"a tile of 4000 px takes 4\.47 GiB.*--tile auto"):
        layout(750, 1000, tile="off", free=GIB)
    assert layout(16, 4000, tile="off", free=2 * GIB).band == 16  # long, but narrow
    with pytest.raises(SegSRError, match="tile is 8, but must be auto, off, or"):
        layout(750, 1000, tile=8)
    with pytest.raises(
        SegSRError, match=r"a tile of 1024 px takes 0\.39 GiB, but may take .* end other"
    ):
        layout(750, 1000, free=GIB // 64)


def test_memory_is_measured() -> None:
    model = local.joint()
    assert 50 < bytes_per_pixel(model, 1.0) < 2000
    assert free_bytes(torch.device("cpu")) > 2**28


@pytest.mark.slow
def test_guidance_takes_more_memory(compact) -> None:
    assert bytes_per_pixel(compact, 2.0) > bytes_per_pixel(compact, 1.0)


def test_the_pipeline_goes_in_bands_where_it_must(monkeypatch) -> None:
    pipeline = SegSRPipeline(local.joint())
    pipeline.set_progress_bar_config(disable=True)
    image = torch.rand(3, 96, 16)
    layout = Layout(Tiling(64, 16, 2), band=64, overlap=32, step=2)
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: layout)
    tiles = count()
    found = pipeline(image, steps=1, on_tile=lambda: next(tiles))
    assert found.image.shape == (3, 384, 64)
    assert found.image.dtype == torch.uint8
    assert next(tiles) == 2
    with pytest.raises(SegSRError, match="no trajectory"):
        pipeline(image, trajectory=True)
    monkeypatch.setattr(pipeline, "lay_out", lambda *_: replace(layout, band=96))
    assert len(pipeline(image, steps=1, trajectory=True).trajectory) == 1


class Lacking:
    """A denoiser on a device whose memory holds tiles of `fits` cells a side at most."""

    def __init__(self, model: JointModel, fits: int) -> None:
        self.forward, self.fits = model.image.denoiser.forward, fits
        self.sides: list[int] = []

    def __call__(self, latents, *rest):
        self.sides.append(max(latents.shape[-2:]))
        if self.sides[-1] > self.fits:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.forward(latents, *rest)


@pytest.mark.parametrize(("side", "fits", "tried"), [(96, 64, [96, 64, 56]), (200, 90, [200, 78])])
def test_a_device_that_lacks_memory_gets_smaller_tiles(monkeypatch, side, fits, tried) -> None:
    pipeline = SegSRPipeline(local.joint())
    pipeline.set_progress_bar_config(disable=True)
    lacking = Lacking(pipeline.model, fits)
    monkeypatch.setattr(pipeline.model.image.denoiser, "forward", lacking)
    monkeypatch.setattr("segsr.inference.pipeline.free_bytes", lambda device: 16 * GIB)
    found = pipeline(torch.rand(3, 16, side), steps=1)
    assert found.image.shape == (3, 64, 4 * side)
    first = lacking.sides.index(tried[0])  # 64 is where memory is measured
    assert sorted(set(lacking.sides[first:]), reverse=True) == tried
    assert torch.isfinite(found.image).all()


def test_a_tile_of_the_users_is_not_overruled(monkeypatch) -> None:
    pipeline = SegSRPipeline(local.joint())
    pipeline.set_progress_bar_config(disable=True)
    monkeypatch.setattr(pipeline.model.image.denoiser, "forward", Lacking(pipeline.model, 90))
    monkeypatch.setattr("segsr.inference.pipeline.free_bytes", lambda device: 16 * GIB)
    with pytest.raises(SegSRError, match=r"tiles of 512 px as you chose: give --tile auto, or"):
        pipeline(torch.rand(3, 16, 200), steps=1, tile=512)
    monkeypatch.setattr(pipeline.model.image.denoiser, "forward", Lacking(pipeline.model, 10))
    with pytest.raises(SegSRError, match="tiles of 256 px: give --device cpu"):
        pipeline(torch.rand(3, 16, 200), steps=1)
