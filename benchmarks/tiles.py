"""What tiles cost and whether they show: restorations in tiles beside untiled ones.

    python benchmarks/tiles.py [--model compact] [--photos FOLDER] [--side 256] [--steps 1]

For every photograph, shrunk so that its longer side has `side` LQ pixels: seconds per megapixel of
the tiled run over the untiled one's; PSNR between the two; the squared error within 8 px of the
tiles' borders over that elsewhere; pixels whose mask agrees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE
from segsr.diffusion.noise import keyed
from segsr.files.photo import read_photo
from segsr.files.walk import find_photos
from segsr.inference.memory import BEYOND, OVERLAP
from segsr.inference.restoration import restore
from segsr.inference.tiles import Tiling
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.samples import samples_folder

SIDES = (256, 512)
NEAR = 8


def shrunk(image: Tensor, side: int) -> Tensor:
    """Return a photograph (3, h, w) whose longer side has `side` pixels."""
    scale = side / max(image.shape[-2:])
    size = [max(1, round(length * scale)) for length in image.shape[-2:]]
    return F.interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def near_borders(lengths: Sequence[int], tiling: Tiling, factor: int) -> Tensor:
    """Return which pixels of a picture lie within `NEAR` of where a tile begins or ends."""
    lines = []
    for length in lengths:
        side, starts = tiling.cut(-(-length // factor // tiling.stride) * tiling.stride)
        ends = [start + side for start in starts]
        line = torch.zeros(length, dtype=torch.bool)
        for place in (*starts[1:], *ends[:-1]):
            line[max(factor * place - NEAR, 0) : factor * place + NEAR] = True
        lines.append(line)
    return lines[0][:, None] | lines[1]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="compact")
    parser.add_argument("--photos", type=Path, default=samples_folder() / "images")
    parser.add_argument("--side", type=int, default=256, help="LQ pixels of the longer side")
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    model = JointModel.from_pretrained(arguments.model)
    factor, options = model.mask.factor, SamplingOptions(steps=arguments.steps)
    stride = model.image.multiple // factor
    print(f"{arguments.model}, {arguments.side} px to {SCALE * arguments.side} px, ", end="")
    print(f"overlap {OVERLAP} px, {torch.get_num_threads()} threads")
    rows: dict[int, list[list[float]]] = {side: [] for side in SIDES}
    for photo in find_photos([arguments.photos]).photos:
        lq = shrunk(read_photo(photo.path).image, arguments.side)
        begin = time.perf_counter()
        whole = restore(model, lq, keyed(0), options)
        untiled = time.perf_counter() - begin
        for side in SIDES:
            beyond = BEYOND // factor
            tiling = Tiling(side // factor, OVERLAP // factor, stride, beyond=beyond)
            begin = time.perf_counter()
            tiled = restore(model, lq, keyed(0), options, tiling=tiling)
            seconds = time.perf_counter() - begin
            error = (tiled.image - whole.image).square().mean(0)
            near = near_borders(error.shape, tiling, factor)
            psnr = float(-10 * error.mean().log10())
            seam = float(error[near].mean() / error[~near].mean())
            agree = float((tiled.mask == whole.mask).float().mean())
            rows[side].append([seconds / untiled, psnr, seam, agree])
    print("tile    seconds, of untiled   PSNR, dB (least)   seam / rest   masks agree (least)")
    for side, found in rows.items():
        values = np.array(found)
        middle, least = np.median(values, 0), values.min(0)
        seconds, decibel, seam, agree = middle
        print(f"{side:4}    {seconds:19.2f}   {decibel:6.1f} ({least[1]:.1f})     ", end="")
        print(f"{seam:11.2f}   {agree:.4f} ({least[3]:.4f})")


if __name__ == "__main__":
    main()
