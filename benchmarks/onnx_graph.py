"""An exported graph against PyTorch: the time of a restoration, with and without the process.

    segsr export compact -o compact.onnx
    python benchmarks/onnx_graph.py compact.onnx [--side 128] [--threads 2] [--repeat 5]

Medians in seconds, alternating; a process reads one PNG of `side` pixels and restores it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from segsr.deploy.run import OnnxRestorer
from segsr.inference.pipeline import SegSRPipeline
from segsr.seeding import generator

GRAPH = (
    "import sys; import numpy as np; from PIL import Image;"
    "from segsr.deploy.run import OnnxRestorer;"
    "graph = OnnxRestorer(sys.argv[1], int(sys.argv[4]));"
    "graph(np.asarray(Image.open(sys.argv[3]), np.float32).transpose(2, 0, 1) / 255)"
)
PYTORCH = (
    "import sys; import torch; from PIL import Image; from segsr import SegSRPipeline;"
    "torch.set_num_threads(int(sys.argv[4]));"
    "pipeline = SegSRPipeline.from_pretrained(sys.argv[2]);"
    "pipeline(Image.open(sys.argv[3]), colour='none', tile='off')"
)


def seconds(calls: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Return the median of each call, taken in turns after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(repeat + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if i:
                taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in taken.items()}


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    photo = torch.rand(3, arguments.side, arguments.side, generator=generator("benchmark"))
    pipeline = SegSRPipeline.from_pretrained(arguments.model)
    pipeline.set_progress_bar_config(disable=True)
    graph = OnnxRestorer(arguments.graph, arguments.threads)
    within = seconds(
        {
            "PyTorch": lambda: pipeline(photo, colour="none", tile="off"),
            "ONNX": lambda: graph(photo.numpy()),
        },
        arguments.repeat,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "photo.png")
        pixels = (255 * photo).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(file)
        given = [str(x) for x in (arguments.graph, arguments.model, file, arguments.threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}

        def process(code: str) -> Callable[[], object]:
            command = [sys.executable, "-c", code, *given]
            return lambda: subprocess.run(command, check=True, env=environment, capture_output=True)

        calls = {"PyTorch": process(PYTORCH), "ONNX": process(GRAPH)}
        whole = seconds(calls, max(1, arguments.repeat // 2))
    print("| what | PyTorch, s | ONNX, s | ratio |")
    print("|---|---|---|---|")
    for what, found in (("a restoration", within), ("with its process", whole)):
        ratio = found["ONNX"] / found["PyTorch"]
        print(f"| {what} | {found['PyTorch']:.2f} | {found['ONNX']:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
