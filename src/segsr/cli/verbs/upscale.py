"""Restore photographs at four times their size, or any up to sixteen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from segsr.cli.argument_types import (
    percent,
    positive,
    positive_or_zero,
    share,
    tile,
    width_by_height,
)
from segsr.cli.statuses import done_or_failed
from segsr.cli.streams import STREAM, check_output, hand_out, take_in
from segsr.errors import SegSRError

if TYPE_CHECKING:
    from segsr.inference.outcomes import Outcome, Summary
    from segsr.inference.settings import Settings
    from segsr.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to restore, where to, and how."""
    add = parser.add_argument
    add("inputs", nargs="*", metavar="PHOTO|FOLDER", help="what to restore; - for standard input")
    add("-o", "--output", metavar="OUT", help="folder for the results; - for standard output")
    add("--model", metavar="M", help="compact (default), a checkpoint folder or a hub id")
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
    add("--no-masks", action="store_true", help="write no masks to OUT/masks")
    add("--tile", type=tile, default="auto", metavar="auto|off|N", help="side of a tile, HQ pixels")
    sizes = parser.add_mutually_exclusive_group()
    add_size = sizes.add_argument
    add_size("--scale", type=float, metavar="F", help="times the size, 1 to 16 (default: 4)")
    add_size("--long-side", type=positive, metavar="N", help="pixels of the longer side, instead")
    add_size("--size", type=width_by_height, metavar="WxH", help="exactly so many, instead")
    formats = ("png", "jpg", "webp", "tiff", "same")
    add("--format", choices=formats, default="png", help="of the results (default: png)")
    add("--quality", type=percent, metavar="N", help="of jpg, webp and avif, 1 to 100")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--overwrite", action="store_true", help="replace results that were made otherwise")
    add("--again", type=Path, metavar="RESULT", help="repeat a result as its record says")
    add("--json", action="store_true", help="print a line of JSON for each photograph")
    add("-q", "--quiet", action="store_true", help="say nothing but what went wrong")


def run(arguments: argparse.Namespace) -> int:
    """Restore; status 1 if any photograph failed, or has a result that was made otherwise."""
    from segsr.cli.bar import Bar
    from segsr.cli.upscale_report import closing, differing, json_line

    _check(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="segsr-")))
        to_stream = arguments.output == STREAM
        if to_stream:
            check_output()
        received = take_in(folder) if STREAM in arguments.inputs else None
        photos = [received if received and i == STREAM else Path(i) for i in arguments.inputs]
        output = folder / "out" if to_stream else arguments.output and Path(arguments.output)

        def on_photo(outcome: Outcome) -> None:
            if arguments.json:
                name = STREAM if outcome.photo == received else str(outcome.photo)
                print(json_line(outcome, name), flush=True)

        try:
            with Bar(visible=not arguments.quiet) as bar:
                summary = _restore(arguments, photos, output, on_photo, bar)
                for sentence in differing(summary.outcomes):
                    bar.tell("differs", sentence)
        except KeyboardInterrupt:
            if not (arguments.quiet or to_stream):
                print("stopped: what is restored stays, the same command goes on", file=sys.stderr)
            raise
        if to_stream:
            for outcome in summary.outcomes:
                if outcome.status == "restored" and outcome.result is not None:
                    hand_out(outcome.result)
        elif not arguments.quiet:
            for line in closing(summary, str(output or arguments.again.parent)):
                print(line, file=sys.stderr)
    return done_or_failed([*summary.errors, *summary.differing])


def _restore(
    arguments: argparse.Namespace,
    photos: list[Path],
    output: Path | None,
    on_photo: Callable[[Outcome], None],
    progress: Progress,
) -> Summary:
    """Restore photographs, or one again."""
    settings = _settings(arguments)
    if arguments.again is not None:
        if settings != type(settings)() or arguments.mask or arguments.no_masks:
            raise SegSRError("--again takes every setting from the record: leave the others out")
        from segsr.inference.again import repeat

        return repeat(
            arguments.again,
            output,
            photo=photos[0] if photos else None,
            model=arguments.model,
            device=arguments.device,
            overwrite=arguments.overwrite,
            on_photo=on_photo,
            progress=progress,
        )
    from segsr.inference.upscale import upscale_files

    assert output is not None
    return upscale_files(
        photos,
        output,
        settings,
        model=arguments.model or "compact",
        mask=arguments.mask,
        masks=not (arguments.no_masks or arguments.output == STREAM),
        device=arguments.device,
        overwrite=arguments.overwrite,
        on_photo=on_photo,
        progress=progress,
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    from segsr.inference.settings import Settings
    from segsr.inference.size import Size
    from segsr.model.options import SamplingOptions

    return Settings(
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
        size=Size(arguments.scale, arguments.long_side, arguments.size),
        tile=arguments.tile,
        format=arguments.format,
        quality=arguments.quality,
    )


def _check(arguments: argparse.Namespace) -> None:
    """Check what arguments must be together.

    Raises:
        SegSRError: If they contradict each other.
    """
    inputs, again = arguments.inputs, arguments.again
    if again is None and not inputs:
        raise SegSRError("a photograph is missing: name one, a folder, or - for standard input")
    if again is None and arguments.output is None:
        raise SegSRError("a place for the results is missing: add -o OUT")
    if again is not None and len(inputs) > 1:
        raise SegSRError(f"--again repeats one result, got {len(inputs)} photographs: name one")
    if inputs.count(STREAM) > 1:
        raise SegSRError("standard input holds one photograph: name - once")
    if arguments.output == STREAM:
        if len(inputs) > 1 or any(Path(i).is_dir() for i in inputs):
            raise SegSRError("standard output takes one result: name one photograph, or -o OUT")
        if arguments.json:
            raise SegSRError("--json and -o - both write to standard output: leave one out")
