"""How much memory there is, and how large a tile and a band of a photograph may be in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch

from segsr.batch import SCALE
from segsr.diffusion.noise import keyed
from segsr.errors import SegSRError
from segsr.inference.tiles import Tiling
from segsr.live_memory import LiveMemory
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions

Tile = int | Literal["auto", "off"]
"""Side of a tile in HQ pixels; `auto` takes `LARGEST` or what memory allows, `off` the whole."""

LARGEST = 1024
OVERLAP = 64
"""HQ pixels that neighbouring tiles share."""
BEYOND = 128
"""HQ pixels that the mask's networks see besides on every side of a tile."""
BAND_OVERLAP = 192
"""HQ pixels that neighbouring bands share."""
SMALLEST = 256
UNASKED = 512
"""Side of a picture for which memory is not looked at."""
_PROBE = 256
_CGROUP = Path("/sys/fs/cgroup")  # the limit of a container
_SHARE = 0.3  # of what is free, for the networks at work on a tile, and again for a band's state
_STATE = 3 * 2**29  # bytes of that at most: larger bands save little time


@dataclass(frozen=True)
class Layout:
    """How a photograph is cut.

    Attributes:
        tiling: Of the latent grid, for the networks.
        band: LQ rows restored at a time; all of them if the photograph goes in one.
        overlap: LQ rows that neighbouring bands share.
        step: What their first rows are multiples of.
    """

    tiling: Tiling
    band: int
    overlap: int
    step: int


def lay_out(
    model: JointModel,
    height: int,
    width: int,
    tile: Tile,
    *,
    free: int,
    per_pixel: Callable[[], float],
    steps: int = 1,
    largest: int = LARGEST,
    together: int = 1,
) -> Layout:
    """Return how a photograph of `height` x `width` LQ pixels is restored in the memory there is.

    Tiles are as large as `largest` wherever memory allows, so that machines agree. A side that the
    user gives is never overruled.

    Args:
        model: The model that restores it.
        height: Of the photograph.
        width: Of the photograph.
        tile: See `Tile`.
        free: Bytes that may be taken, `free_bytes`.
        per_pixel: What networks take, `bytes_per_pixel`; asked where it may matter.
        steps: Of the sampler.
        largest: Side of a tile, if it is `auto`, at most.
        together: Tiles that the networks see at a time at most.

    Raises:
        SegSRError: If `tile` is senseless, or a tile of that side cannot fit.
    """
    check_tile(tile)
    step = model.image.multiple // SCALE
    cells, factor = model.image.multiple // model.mask.factor, model.mask.factor
    longest, rows = SCALE * max(height, width), -(-height // step) * step
    if longest <= UNASKED and (tile != "auto" or longest <= largest):
        return Layout(Tiling(-(-UNASKED // factor), 0, cells), rows, 0, step)
    taken = per_pixel()
    fits = fitting_side(free, taken)
    wanted = longest if tile == "off" else largest if tile == "auto" else tile
    side = min(wanted, longest)
    area = min(side, SCALE * height) * min(side, SCALE * width)
    if area * taken > _SHARE * free:
        if tile != "auto" or fits < SMALLEST:
            fitting = f"give --tile auto, or --tile {fits // 64 * 64}"
            raise SegSRError(
                f"a tile of {side} px takes {area * taken / 2**30:.2f} GiB, but may take"
                f" {_SHARE * free / 2**30:.2f} of the {free / 2**30:.2f} GiB that are free:"
                f" {fitting if fits >= SMALLEST else 'end other programs'}."
            )
        side, area = fits, fits * fits
    size = -(-side // factor // cells) * cells
    batch = max(1, min(together, int(_SHARE * free / taken / area)))
    beyond = -(-BEYOND // factor // cells) * cells
    tiling = Tiling(size, min(OVERLAP // factor, size // 2), cells, batch, beyond)
    state = min(_SHARE * free, _STATE)
    tall = int(state / state_bytes_per_pixel(model, steps) / (SCALE * SCALE * width))
    overlap = BAND_OVERLAP // SCALE
    least = max(SMALLEST // SCALE, 2 * overlap)
    band = max(tall, least) // step * step
    return Layout(tiling, rows if tile == "off" or band >= rows else band, overlap, step)


def fitting_side(free: int, taken: float) -> int:
    """Return the side in HQ pixels of the largest tile that fits `free` bytes; see `lay_out`."""
    return int((_SHARE * free / taken) ** 0.5)


def check_tile(tile: object) -> None:
    """Check that `tile` is a `Tile`.

    Raises:
        SegSRError: If it is not, or too small.
    """
    if tile not in ("auto", "off") and not (isinstance(tile, int) and tile >= SMALLEST):
        raise SegSRError(
            f"tile is {tile!r}, but must be auto, off, or a side of {SMALLEST} HQ pixels or more."
        )


def bytes_per_pixel(model: JointModel, guidance: float) -> float:
    """Return what the networks take at their worst moment per HQ pixel of a tile, measured."""
    canvas = torch.zeros(1, 3, _PROBE, _PROBE, device=model.device)
    live = LiveMemory(answer=None)
    with live, torch.no_grad():
        conditions = model.read(canvas)
        options = SamplingOptions(steps=1, guidance=guidance)
        *_, step = model.sample(conditions, keyed("probe"), options)
        model.decode(step, conditions, options)
    return live.peak / _PROBE**2


def state_bytes_per_pixel(model: JointModel, steps: int) -> float:
    """Return what conditions, states and results of a band take per HQ pixel at most.

    Counted per cell: the LQ latents, the state, the prediction and what becomes of it (and the
    scheduler's own), F_lq, two categorical distributions and the classes; per pixel: the canvas,
    the decoded picture with its weights and its rounded copy, classes as int64 and masked.
    """
    images = 4 if steps == 1 else 8
    latents = int(model.image.autoencoder.codec.config.latent_channels)
    features = model.mask.prior.feature_channels
    cell = 4 * (images * latents + features + 2 * model.mask.num_classes) + 24
    return cell / model.mask.factor**2 + 4 * 3 * 2 + 4 + 3 + 2 + 8 * 2


def free_bytes(device: torch.device) -> int:
    """Return the bytes that this process may still take on `device`."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    process = psutil.Process()
    if hasattr(process, "rlimit"):  # on Linux
        limit, _ = process.rlimit(psutil.RLIMIT_AS)
        if limit != psutil.RLIM_INFINITY:
            free = min(free, limit - process.memory_info().vms)
    if _CGROUP.joinpath("memory.max").is_file():
        most = _CGROUP.joinpath("memory.max").read_text().strip()
        used = int(_CGROUP.joinpath("memory.current").read_text())
        free = min(free, int(most) - used) if most != "max" else free
    return max(free, 0)
