"""CPU seconds until segsr does something, in multiples of `import torch` on the same machine.

    python benchmarks/starting.py [--rounds 5]

Each command is a process of its own; user and system time of it and of what it starts are counted,
with one thread each. Commands take turns, and the median round counts. `segsr upscale` restores a
photograph of 8 px in a single step: what is beyond starting is next to nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

TORCH = "import torch"
LIMITS = {"segsr --help": 0.1, "from segsr import JointSegSR": 3.5, "segsr upscale, 8 px": 4.0}
"""CPU seconds at most, where `import torch` takes 1.4."""


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="the median round counts")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        found = measure(commands(Path(folder)), rounds)
    torch = found[TORCH]
    print("| | CPU seconds, median | of `import torch` | asked for |\n|---|---|---|---|")
    for name, seconds in found.items():
        limit = f"{LIMITS[name]} s" if name in LIMITS else ""
        print(f"| `{name}` | {seconds:.2f} | {seconds / torch:.2f} | {limit} |")


def commands(folder: Path) -> dict[str, list[str]]:
    """What is measured, by name; the photograph is put into `folder`."""
    photo = folder / "icon.png"
    Image.new("RGB", (8, 8), (200, 120, 40)).save(photo)
    segsr = [sys.executable, "-m", "segsr.cli"]
    upscale = ["upscale", str(photo), "-o", "-", "--steps", "1"]  # a file would be made once
    return {
        TORCH: [sys.executable, "-c", TORCH],
        "segsr --help": [*segsr, "--help"],
        "from segsr import JointSegSR": [sys.executable, "-c", "from segsr import JointSegSR"],
        "segsr upscale, 8 px": [*segsr, *upscale, "--device", "cpu"],
    }


def measure(timed: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """The median CPU seconds of each command, after a round that fills the disk's cache."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(1 + rounds):
        for name, command in timed.items():
            seconds[name].append(cpu_seconds(command))
    return {name: statistics.median(each[1:]) for name, each in seconds.items()}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of `command`, which must succeed."""
    before = os.times()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = os.times()
    own = after.children_user + after.children_system
    return own - before.children_user - before.children_system


if __name__ == "__main__":
    main()
