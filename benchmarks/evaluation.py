"""`segsr evaluate` against pyiqa: seconds per image of PSNR and SSIM, and memory over 1,000 images.

    python benchmarks/evaluation.py --hq HQ --sr SR [--images 1000] [--pyiqa 100]

HQ and SR are folders of images of one size and of the same names (RealSR's 512 px crops and any
method's results); they are repeated until there are enough. Both read the same files; pyiqa is
asked image by image, as in the scripts of OSEDiff and its successors, through `create_metric(...,
test_y_channel=True, color_space="ycbcr")`. Each in a process of its own, on all cores, one after
the other; the resident memory of ours is watched from 100 images on.
"""

import argparse
import multiprocessing
import os
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

RESIDENT = Path("/proc/self/statm")


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    return int(RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def ours(folder: Path, out: Path, queue: multiprocessing.Queue) -> None:
    """Measure with `segsr.evaluation.evaluate`."""
    from segsr.evaluation.evaluate import RECORDS, evaluate_folders
    from segsr.metrics.fidelity import Psnr, Ssim

    seen: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            path = out / RECORDS
            if path.exists() and path.read_bytes().count(b"\n") >= 100:
                seen.append(resident())

    threading.Thread(target=watch, daemon=True).start()
    metrics = {"psnr": Psnr(), "ssim": Ssim()}
    start = time.perf_counter()
    folders = {"restored": folder / "sr", "hq": folder / "hq"}
    found = evaluate_folders(folders, metrics, dict.fromkeys(metrics, ""), out)
    seconds = time.perf_counter() - start
    done.set()
    psnr = [record.values["psnr"] for record in found.records.values()]
    tenths = [max(part) for part in _split(seen, 9)]
    queue.put((seconds / len(psnr), sum(psnr) / len(psnr), tenths))


def _split(values: list[float], parts: int) -> list[list[float]]:
    """`values` in `parts` runs of about equal length."""
    edges = [round(i * len(values) / parts) for i in range(parts + 1)]
    return [values[a:b] for a, b in pairwise(edges) if a < b]


def theirs(folder: Path, count: int, queue: multiprocessing.Queue) -> None:
    """Measure with pyiqa."""
    import pyiqa
    import torch
    from pyiqa.utils.img_util import imread2tensor

    options = {"test_y_channel": True, "color_space": "ycbcr", "device": torch.device("cpu")}
    psnr, ssim = (pyiqa.create_metric(name, **options) for name in ("psnr", "ssim"))
    paths = sorted((folder / "sr").iterdir())[:count]
    total = 0.0
    start = time.perf_counter()
    for path in paths:
        sr, hq = (imread2tensor(str(p))[None] for p in (path, folder / "hq" / path.name))
        total += float(psnr(sr, hq))
        ssim(sr, hq)
    queue.put(((time.perf_counter() - start) / len(paths), total / len(paths)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hq", type=Path, required=True)
    parser.add_argument("--sr", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--pyiqa", type=int, default=100, help="images that pyiqa is timed on")
    arguments = parser.parse_args()
    from segsr.evaluation.pairing import pair_files

    photos = pair_files({"restored": arguments.sr, "hq": arguments.hq}).photos
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for role in ("sr", "hq"):
            (folder / role).mkdir()
        for i in range(arguments.images):
            files = photos[i % len(photos)].files
            for role, source in (("sr", files["restored"]), ("hq", files["hq"])):
                (folder / role / f"{i:05d}.png").symlink_to(source.resolve())
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        results = []
        for target, rest in ((ours, folder / "out"), (theirs, arguments.pyiqa)):
            process = context.Process(target=target, args=(folder, rest, queue))
            process.start()
            results.append(queue.get())
            process.join()
    (seconds, mean, memory), (their_seconds, their_mean) = results
    print(f"segsr  {1000 * seconds:7.1f} ms/image, mean PSNR {mean:.3f}, {arguments.images} images")
    print(f"pyiqa  {1000 * their_seconds:7.1f} ms/image, mean PSNR {their_mean:.3f}")
    print(f"ratio  {their_seconds / seconds:.2f}")
    print(f"memory from 100 images on, most in MiB: {' '.join(f'{m:.0f}' for m in memory)}")


if __name__ == "__main__":
    main()
