"""Serve a page that restores photographs, and an HTTP interface."""

from __future__ import annotations

import argparse
import sys

from segsr.cli.argument_types import positive
from segsr.errors import SegSRError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, where to listen, and the guard rails."""
    add = parser.add_argument
    add("--model", default="compact", help="compact, a checkpoint folder or a hub id")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--host", default="127.0.0.1", help="where to listen: 0.0.0.0 lets other machines in")
    add("--port", type=int, default=7860, metavar="N")
    add("--root-path", default="", metavar="/PATH", help="where a reverse proxy shows the page")
    add("--api-only", action="store_true", help="the HTTP interface alone, without the page")
    add("--queue", type=positive, default=8, metavar="N", help="restorations that may wait")
    add("--max-mb", type=positive, default=20, metavar="N", help="size of an upload, in MB")
    add("--max-mp", type=float, default=1.0, metavar="N", help="pixels of a photograph, millions")
    add("--keep", type=positive, default=60, metavar="MINUTES", help="then files are deleted")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    _require(page=not arguments.api_only)
    from segsr.app.limits import Limits
    from segsr.app.restorer import Restorer
    from segsr.app.server import application, files_folder, serve
    from segsr.inference.pipeline import SegSRPipeline
    from segsr.inference.upscale import find_device

    limits = Limits(
        bytes=arguments.max_mb * 2**20,
        pixels=int(arguments.max_mp * 1e6),
        queue=arguments.queue,
        keep=60.0 * arguments.keep,
    )
    device = find_device(arguments.device)
    pipeline = SegSRPipeline.from_pretrained(arguments.model).to(device)
    with files_folder(limits) as root:
        app = application(
            Restorer(pipeline, arguments.model), root, limits, page=not arguments.api_only
        )
        shown = "localhost" if arguments.host == "127.0.0.1" else arguments.host
        where = f"http://{shown}:{arguments.port}{arguments.root_path}/"
        print(f"segsr: {where}{'docs' if arguments.api_only else ''}", file=sys.stderr)
        serve(app, arguments.host, arguments.port, arguments.root_path)
    return 0


def _require(*, page: bool) -> None:
    from importlib.util import find_spec

    needed = ["fastapi", "uvicorn", "python_multipart", *(["gradio"] if page else [])]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise SegSRError(f"{', '.join(missing)} is not installed: pip install 'segsr[app]'")
