"""A model as one ONNX file."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.deploy.graph import RestorationGraph
from segsr.errors import SegSRError
from segsr.files.atomic import write_atomic
from segsr.inference.restoration import SMALLEST
from segsr.model.joint import JointModel
from segsr.model.mask_branch import SEEN
from segsr.model.options import SamplingOptions

OPSET = 18
_MOST = 2**31 - 2**20  # bytes of a protobuf


def export_onnx(
    model: JointModel, path: str | Path, options: SamplingOptions | None = None
) -> None:
    """Write `model` as one ONNX graph of opset `OPSET`, heights and widths left open.

    Inputs and outputs are those of `RestorationGraph`, `image` and `mask`; what a caller must know
    of sizes is JSON under `segsr` in the file's metadata (`segsr.deploy.run` reads it).

    Args:
        model: The model, in eval mode, on the CPU.
        path: The new file, written whole or not at all.
        options: How it samples; as it was trained if None. Colours are not touched.

    Raises:
        SegSRError: If `onnx` is not installed, the model cannot be unrolled, or is too large.
    """
    try:
        import onnx
    except ImportError as error:
        raise SegSRError(
            f"exporting needs onnx, which cannot be imported ({error}): pip install 'segsr[onnx]'"
        ) from error
    size = sum(4 * parameter.numel() for parameter in model.parameters())
    if size > _MOST:
        raise SegSRError(
            f"the model has {size / 2**30:.1f} GiB of weights, but one ONNX file holds 2 GiB:"
            " export a smaller model."
        )
    graph = RestorationGraph(model, options or SamplingOptions())
    inputs = example(graph)
    names = ["lq", "noise", "classes", "given", "uniform"][: len(inputs)]
    grid = {"noise": (2, 3), "classes": (1, 2), "given": (1, 2), "uniform": (2, 3)}
    axes = {name: {place[0]: "grid_h", place[1]: "grid_w"} for name, place in grid.items()}
    with (
        tempfile.TemporaryDirectory() as folder,
        torch.no_grad(),
        _logaddexp_as_onnx_has_it(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of sizes that are constants, as they may be
        traced = Path(folder, "graph.onnx")
        torch.onnx.export(
            graph,
            inputs,
            traced,
            opset_version=OPSET,
            input_names=names,
            output_names=["image", "mask"],
            dynamic_axes={
                "lq": {2: "h", 3: "w"},
                **{name: axes[name] for name in names[1:]},
                "image": {2: "out_h", 3: "out_w"},
                "mask": {1: "out_h", 2: "out_w"},
            },
            dynamo=False,
        )
        file = onnx.load(traced)
    onnx.helper.set_model_props(file, {"segsr": json.dumps(facts(graph))})
    write_atomic(Path(path), file.SerializeToString())


@contextmanager
def _logaddexp_as_onnx_has_it() -> Iterator[None]:
    """ONNX has no logaddexp: log(exp a + exp b) is written with the larger one taken out."""

    def symbolic(g: Any, a: Any, b: Any) -> Any:
        larger = g.op("Max", a, b)
        rest = (g.op("Exp", g.op("Sub", each, larger)) for each in (a, b))
        return g.op("Add", larger, g.op("Log", g.op("Add", *rest)))

    torch.onnx.register_custom_op_symbolic(  # type: ignore[attr-defined]
        "aten::logaddexp", symbolic, OPSET
    )
    try:
        yield
    finally:
        torch.onnx.unregister_custom_op_symbolic(  # type: ignore[attr-defined]
            "aten::logaddexp", OPSET
        )


def facts(graph: RestorationGraph) -> dict[str, int]:
    """Return what a caller of the graph must know."""
    model = graph.model
    return {
        "scale": SCALE,
        "multiple": model.image.multiple // SCALE,  # of the sides of lq
        "smallest": SMALLEST // SCALE,
        "most": SEEN,  # pixels of the image: beyond, the prior would have to see a smaller one
        "factor": model.mask.factor,  # pixels of the image per cell of the grid
        "channels": int(model.image.autoencoder.codec.config.latent_channels),
        "classes": model.mask.num_classes,
        "steps": len(graph.times),
    }


def example(graph: RestorationGraph) -> tuple[Tensor, ...]:
    """Return inputs of the smallest size with sides that differ."""
    known = facts(graph)
    side = -(-known["smallest"] // known["multiple"]) * known["multiple"]
    height, width = side, side + known["multiple"]
    cells = SCALE * height // known["factor"], SCALE * width // known["factor"]
    inputs = [
        torch.full((1, 3, height, width), 0.5),
        torch.zeros(1, known["channels"], *cells),
        torch.zeros(1, *cells, dtype=torch.int64),
        torch.full((1, *cells), IGNORE_INDEX),
    ]
    if known["steps"] > 1:
        inputs.append(torch.full((known["steps"] - 1, known["classes"], *cells), 0.5))
    return tuple(inputs)
