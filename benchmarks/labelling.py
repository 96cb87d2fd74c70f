"""`segsr label` against the bare network, over many photographs, and on two processes.

    python benchmarks/labelling.py throughput PHOTOS [--labeler compact] [--photos 160] [--rounds 3]
    python benchmarks/labelling.py memory PHOTOS [--photos 2000]
    python benchmarks/labelling.py processes PHOTOS [--photos 160]

PHOTOS is a folder; its photographs of the most frequent size are taken, repeated until there are
enough. `throughput` labels them in turn by `label` on tensors in memory, in batches of the same
size, and from files to files, in one process on all cores; the ratios of medians are to `label`
in memory and to what the time within the network's own forward (the labeler's `net`) allows.
`memory` watches the resident size while one process labels from files to files. `processes` runs
the command with one process of one thread and with two; a rate is that of the masks' own times, so
that starting costs neither. `--change labeler.model=FOLDER` changes the recipe.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import cycle, islice
from pathlib import Path

import torch

from segsr.config import build, load_recipe
from segsr.files.find import find_images
from segsr.files.pixels import read_image, read_size
from segsr.labeling.base import label
from segsr.labeling.label_shard import Settings, label_shard
from segsr.labeling.photos import find_photos_to_label
from segsr.labeling.shards import Shard

BATCH = 8


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def lay_out(photos: Path, folder: Path, count: int) -> None:
    """Link `count` photographs of one size into `folder`."""
    by_size = defaultdict(list)
    for path in find_images(photos):
        by_size[read_size(path)].append(path)
    size, same = max(by_size.items(), key=lambda entry: len(entry[1]))
    print(f"{count} photographs of {size[1]}x{size[0]}, {len(same)} different ones")
    folder.mkdir()
    for i, path in enumerate(islice(cycle(same), count)):
        (folder / f"{i:05d}{path.suffix}").symlink_to(path.resolve())


def make_labeler(arguments: argparse.Namespace) -> torch.nn.Module:
    """Return the labeler of a packaged configuration."""
    overrides = [f"labeler={arguments.labeler}", *arguments.change]
    labeler: torch.nn.Module = build(load_recipe("label", overrides).labeler)
    return labeler


class Stopwatch:
    """Adds up the seconds within a module's forward."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.seconds = 0.0
        module.register_forward_pre_hook(self.start)
        module.register_forward_hook(self.stop)

    def start(self, *_: object) -> None:
        """Begin."""
        self.began = time.perf_counter()

    def stop(self, *_: object) -> None:
        """End."""
        self.seconds += time.perf_counter() - self.began


def throughput(folder: Path, arguments: argparse.Namespace) -> None:
    """Print photographs a second of the bare network and of files to files."""
    labeler = make_labeler(arguments)
    items = find_photos_to_label(folder / "photos").items
    some = [read_image(item.photo) for item in items[: 4 * BATCH]]
    batches = [torch.stack(some[i : i + BATCH]) for i in range(0, len(some), BATCH)]
    rates: dict[str, list[float]] = {"network": [], "memory": [], "files": []}
    watch = Stopwatch(labeler.net)
    for turn in range(arguments.rounds + 1):  # the first warms up
        watch.seconds = 0.0
        start = time.perf_counter()
        for batch in islice(cycle(batches), len(items) // BATCH):
            label(labeler, batch.float() / 255).masks.to(torch.uint8)
        rates["memory"].append(len(items) // BATCH * BATCH / (time.perf_counter() - start))
        rates["network"].append(len(items) // BATCH * BATCH / watch.seconds)
        start = time.perf_counter()
        settings = Settings(folder / f"masks{turn}", batch_size=BATCH)
        record = label_shard(labeler, Shard(0, tuple(items)), settings)
        assert record.made == len(items), record.failed
        rates["files"].append(len(items) / (time.perf_counter() - start))
    medians = {kind: statistics.median(some[1:]) for kind, some in rates.items()}
    print(f"{arguments.labeler}, batches of {BATCH}, {torch.get_num_threads()} threads")
    for kind, some in rates.items():
        print(f"{kind:<8}", *(f"{rate:6.2f}" for rate in some[1:]), "photographs/s")
    for kind in ("memory", "network"):
        print(f"files / {kind:<8} {medians['files'] / medians[kind]:.3f}")


def memory(folder: Path, arguments: argparse.Namespace) -> None:
    """Print the resident size as photographs go by."""
    labeler = make_labeler(arguments)
    items = find_photos_to_label(folder / "photos").items
    seen: list[float] = []
    label_shard(
        labeler,
        Shard(0, tuple(items)),
        Settings(folder / "masks", batch_size=BATCH),
        on_photo=lambda item, outcome: seen.append(resident()),
    )
    step = max(1, len(seen) // 10)
    for start in range(0, len(seen), step):
        part = seen[start : start + step]
        print(f"photographs {start:5d} to {start + len(part):5d}: at most {max(part):7.0f} MiB")


def processes(folder: Path, arguments: argparse.Namespace) -> None:
    """Print the rates of one process and of two."""
    rates = []
    for devices in (1, 2):
        out = folder / f"masks{devices}"
        options = [f"labeler={arguments.labeler}", f"batch_size={BATCH}", f"shard_size={BATCH}"]
        options += [f"executor.trainer.devices={devices}", "executor.trainer.accelerator=cpu"]
        if devices > 1:
            options.append("executor.trainer.strategy=ddp")
        subprocess.run(
            [sys.executable, "-m", "segsr.cli", "label", folder / "photos", "-o", out, *options],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
        times = sorted(path.stat().st_mtime for path in out.glob("*.png"))
        rates.append((len(times) - 1) / (times[-1] - times[0]))
        print(f"{devices} of one thread: {rates[-1]:6.2f} photographs/s")
    print(f"ratio {rates[1] / rates[0]:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measures = {"throughput": throughput, "memory": memory, "processes": processes}
    parser.add_argument("measure", choices=measures)
    parser.add_argument("photos_folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--labeler", default="compact")
    parser.add_argument("--photos", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--change", nargs="*", default=[], metavar="key=value")
    arguments = parser.parse_args()
    count = arguments.photos or {"memory": 2000}.get(arguments.measure, 160)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(arguments.photos_folder, folder / "photos", count)
        measures[arguments.measure](folder, arguments)


if __name__ == "__main__":
    main()
