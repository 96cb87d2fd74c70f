"""What a restoration costs: seconds, and memory at the worst moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS = Path("/proc/self/statm")
_EVERY = 0.01  # seconds between two looks at the resident memory
GIB = 2**30


@dataclass
class Cost:
    """Of one call.

    Attributes:
        seconds: Wall time, a device's queue included.
        memory: GiB at the worst moment: what PyTorch had allocated on a CUDA device; else the
            resident memory of the process, its libraries included; None where neither is known.
    """

    seconds: float = 0.0
    memory: float | None = None


@contextmanager
def measured(device: torch.device) -> Iterator[Cost]:
    """Measure what happens within; the result is filled in at the end."""
    cost = Cost()
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    stop = threading.Event()
    peak = [_resident()]

    def watch() -> None:
        while not stop.wait(_EVERY):
            peak[0] = max(peak[0], _resident())

    watcher = threading.Thread(target=watch, daemon=True)
    if not on_cuda and peak[0]:
        watcher.start()
    start = time.perf_counter()
    try:
        yield cost
        if on_cuda:
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
    finally:
        cost.seconds = time.perf_counter() - start
        stop.set()
        if on_cuda:
            cost.memory = torch.cuda.max_memory_allocated(device) / GIB
        elif peak[0]:
            watcher.join()
            cost.memory = max(peak[0], _resident()) / GIB


def device_name(device: torch.device) -> str:
    """Return what a table calls the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return device.type.upper()


def _resident() -> int:
    """Return the resident memory of this process in bytes; 0 where Linux's /proc is missing."""
    try:
        return int(_STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
