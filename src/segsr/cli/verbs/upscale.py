"""Restore photographs at four times their size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segsr.cli.argument_types import positive, positive_or_zero, share, tile
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
    add("--start", choices=("noise", "lq", "latent"), help="begin from noise, noised LQ, or LQ")
    add(
        "--temperature",
        type=positive_or_zero,
        metavar="W",
        help="noise at the start: 0 is faithful",
    )
    add("--fidelity", type=share, metavar="W", help="of a controllable decoder: 0 free, 1 faithful")
    add("--mask", type=Path, metavar="FILE|FOLDER", help="masks of your own instead of predictions")
    add("--tile", type=tile, default="auto", metavar="auto|off|N", help="side of a tile, HQ pixels")
    add("--scale", type=_scale, default=4, metavar="4", help="factor; only 4 is trained for")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--overwrite", action="store_true", help="redo results that exist instead of skipping them")


def run(arguments: argparse.Namespace) -> int:
    """Restore; status 1 if any photograph failed."""
    from segsr.cli.bar import Bar
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
            ),
            seed=arguments.seed,
            mask=arguments.mask,
            tile=arguments.tile,
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


def _scale(text: str) -> int:
    if text != "4":
        raise argparse.ArgumentTypeError(
            f"must be 4, got {text}: the models are trained for x4, resize the result instead"
        )
    return 4
