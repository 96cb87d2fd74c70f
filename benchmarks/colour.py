"""What the ways of taking colours from the photograph do to a model's restorations.

    python benchmarks/colour.py [--model compact] [--hq FOLDER] [--lq FOLDER] [--photos 10]

Photographs of `hq` (the packaged samples if not given) are degraded as Real-ESRGAN does, or read
from `lq` under their names. In 1/255: how far the means of channels lie from the photograph's, and
how far colours do over about 31 pixels. PSNR on luma; sharpness as the mean gradient over that of
the HQ photograph.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import get_args

from torch import Tensor

from segsr.batch import SCALE
from segsr.degradation import recipe
from segsr.files.find import find_photos
from segsr.files.photo import read_photo
from segsr.inference.colour import low_frequencies, match_colour_
from segsr.inference.pipeline import SegSRPipeline
from segsr.metrics.restoration import psnr_y
from segsr.model.options import Colour
from segsr.nets.resize_codec import to_canvas
from segsr.samples import samples_folder
from segsr.seeding import generator


def pair(hq_file: Path, lq_folder: Path | None) -> tuple[Tensor, Tensor]:
    """Return (HQ, LQ) of one photograph, at most 512 px of the former."""
    hq = read_photo(hq_file).image
    if lq_folder is not None:
        (lq_file,) = lq_folder.glob(f"{hq_file.stem}.*")
        return hq, read_photo(lq_file).image
    height, width = (min(512, side) // SCALE * SCALE for side in hq.shape[-2:])
    key = generator(0, "degrade", hq_file.name)
    hq_batch, lq = recipe("real_esrgan")(hq[None, :, :height, :width], [key])
    return hq_batch[0], lq[0]


def sharpness(image: Tensor) -> float:
    """Return the mean absolute difference of neighbouring pixels."""
    return float(image.diff(dim=1).abs().mean() + image.diff(dim=2).abs().mean())


def measure(image: Tensor, lq: Tensor, hq: Tensor) -> list[float]:
    """Return both shifts, PSNR and sharpness of a restoration."""
    off = image - to_canvas(lq[None])[0]
    return [
        255 * float(off.mean((1, 2)).abs().mean()),
        255 * float(low_frequencies(off).abs().mean()),
        float(psnr_y(image[None], hq[None])),
        sharpness(image) / sharpness(hq),
    ]


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="compact")
    parser.add_argument("--hq", type=Path, default=samples_folder() / "images")
    parser.add_argument("--lq", type=Path)
    parser.add_argument("--photos", type=int, default=10)
    arguments = parser.parse_args()
    pipeline = SegSRPipeline.from_pretrained(arguments.model)
    pipeline.set_progress_bar_config(disable=True)
    files = find_photos([arguments.hq])
    rows: dict[str, list[list[float]]] = {colour: [] for colour in get_args(Colour)}
    for file in files[:: max(1, len(files) // arguments.photos)][: arguments.photos]:
        hq, lq = pair(file, arguments.lq)
        restored = pipeline(lq, name=file.name, colour="none").image
        for colour in get_args(Colour):
            image = restored.clone()
            match_colour_(image, lq, colour)
            rows[colour].append(measure(image, lq, hq))
    print("| colour | shift of means | at worst | shift over 31 px | PSNR | sharpness |")
    print("|---|---|---|---|---|---|")
    for colour, found in rows.items():
        shift, local, psnr, sharp = (mean(column) for column in zip(*found, strict=True))
        worst = max(row[0] for row in found)
        print(f"| {colour} | {shift:.2f} | {worst:.2f} | {local:.2f} | {psnr:.2f} | {sharp:.3f} |")


if __name__ == "__main__":
    main()
