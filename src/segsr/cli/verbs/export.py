"""Write a model as one ONNX graph."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segsr.cli.argument_types import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to export, and where to."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="compact, a model folder or a hub id")
    add("-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="the new file")
    add("--steps", type=positive, metavar="N", help="sampling steps (default: the model's own)")


def run(arguments: argparse.Namespace) -> int:
    """Export."""
    from segsr.deploy.export import OPSET, export_onnx
    from segsr.model.joint import JointModel
    from segsr.model.options import SamplingOptions

    model = JointModel.from_pretrained(arguments.model)
    export_onnx(model, arguments.output, SamplingOptions(steps=arguments.steps))
    megabytes = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: opset {OPSET}, {megabytes:.0f} MB", file=sys.stderr)
    return 0
