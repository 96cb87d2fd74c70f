"""Restore photographs at four times their size, or any up to sixteen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segsr.cli.argument_types import positive, positive_or_zero, share, tile, width_by_height
from segsr.cli.statuses import done_or_failed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to restore, where to, and how."""
    add = parser.add_argument
    add("inputs", nargs="+", type=Path, metavar="PHOTO|FOLDER", help="what to restore")
    add("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    add("--model", default="compact", help="compact, a checkpoint folder or a hub id")
    add("--steps", type=positive, metavar="N", help="sampling steps (default: the model's own)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed draws the same details")
    add("--guidance", type=float, default=1.0, metavar="W", help="semantic guidance scale")
    add("--start", choices=("noise", "lq"), help="begin from noise or noised LQ")
    add(
        "--temperature",
        type=positive_or_zero,
        metavar="W",
        help="noise at the start: 0 is faithful",
    )
    add("--fidelity", type=share, metavar="W", help="of a controllable decoder: 0 free, 1 faithful")
    add(
        "--strength",
        type=share,
        default=1.0,
        metavar="W",
        help="how much is restored: 1 all, 0 the photograph enlarged",
    )
    add(
        "--colour",
        choices=("none", "adain", "wavelet"),
        help="take colours from the photograph: each channel's mean and spread, or all that is"
        " coarse (default: the model's own)",
    )
    add("--mask", type=Path, metavar="FILE|FOLDER", help="masks of your own instead of predictions")
    add("--tile", type=tile, default="auto", metavar="auto|off|N", help="side of a tile, HQ pixels")
    sizes = parser.add_mutually_exclusive_group()
    add_size = sizes.add_argument
    add_size("--scale", type=float, metavar="F", help="times the size, 1 to 16 (default: 4)")
    add_size("--long-side", type=positive, metavar="N", help="pixels of the longer side, instead")
    add_size("--size", type=width_by_height, metavar="WxH", help="exactly so many, instead")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--overwrite", action="store_true", help="redo results that exist instead of skipping them")


def run(arguments: argparse.Namespace) -> int:
    """Restore; status 1 if any photograph failed."""
    from segsr.cli.bar import Bar
    from segsr.inference.size import Size
    from segsr.inference.upscale import upscale_files
    from segsr.model.options import SamplingOptions

    with Bar() as bar:
        summary = upscale_files(
            inputs=arguments.inputs,
            output=arguments.output,
            model=arguments.model,
            options=SamplingOptions(
                steps=arguments.steps,
                guidance=arguments.guidance,
                start=arguments.start,
                temperature=arguments.temperature,
                fidelity=arguments.fidelity,
                strength=arguments.strength,
                colour=arguments.colour,
            ),
            seed=arguments.seed,
            mask=arguments.mask,
            tile=arguments.tile,
            size=Size(arguments.scale, arguments.long_side, arguments.size),
            device=arguments.device,
            overwrite=arguments.overwrite,
            progress=bar,
        )
    print(
        f"{len(summary.restored)} restored, {len(summary.skipped)} skipped (exist already),"
        f" {len(summary.errors)} failed; results in {arguments.output}",
        file=sys.stderr,
    )
    return done_or_failed(summary.errors)
