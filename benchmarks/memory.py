"""What `segsr fit --plan` foresees against what a training step takes on the CPU.

    python benchmarks/memory.py compact_joint data.crop_size=256 data.batch_size=8
    python benchmarks/memory.py joint data.batch_size=1    # full size: 12 GB, minutes

Lays the recipe's networks out with random weights and takes two training steps with its optimizer
and precision on random images. Measured is the growth of the process's peak resident memory
after a small step has made the libraries take theirs; the
allocator is told to give memory back at once, which the C library otherwise keeps for later.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
import warnings

if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    eager = {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **eager})

from pathlib import Path

import torch
from omegaconf import DictConfig

from segsr.batch import SCALE
from segsr.config import build, filled, load_recipe
from segsr.planning.layout import lay_out
from segsr.planning.plan import plan_fit

GIB = 2**30


def main() -> None:
    """Plan, then do."""
    warnings.simplefilter("ignore")
    recipe, *overrides = sys.argv[1:]
    cfg = load_recipe(Path(recipe), overrides)
    plan = plan_fit(cfg)
    for name, size in vars(plan).items():
        print(f"{name:<12} {size / GIB:7.3f} GiB")
    expected = plan.total - plan.average - plan.buckets  # the average is the trainer's

    step(cfg, size=1, crop=64)  # now the libraries have what they take for themselves
    gc.collect()
    before = resident()
    data = build(filled(cfg, ".")["data"])
    step(cfg, size=data.batch_size, crop=data.crop_size, verbose=True)
    measured = peak() - before
    print(f"planned {expected / GIB:.3f} GiB, measured {measured / GIB:.3f} GiB", end=", ")
    print(f"planned / measured = {expected / measured:.3f}")


def step(cfg: DictConfig, size: int, crop: int, verbose: bool = False) -> None:
    """Lay out the networks and take two steps."""
    model = lay_out(cfg)
    networks = build(cfg.trainer.callbacks.networks)
    networks.prepare(model, cfg.trainer.precision)
    networks._exact.clear()  # what a fit keeps in the host's memory for its end
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
    model.on_fit_start()
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    batch = {
        "hq": torch.rand(size, 3, crop, crop),
        "lq": torch.rand(size, 3, crop // SCALE, crop // SCALE),
        "mask": torch.zeros(size, crop, crop, dtype=torch.long),
        "name": [str(i) for i in range(size)],
    }
    for _ in range(2):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=cfg.trainer.precision == "bf16-mixed"):
            loss = model.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if verbose:
            print(f"a step took {time.perf_counter() - begin:.1f} s, loss {loss.item():.4f}")
        del loss


def peak() -> int:
    """Bytes of memory that the process had at most since the peak was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def resident() -> int:
    """Bytes of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
