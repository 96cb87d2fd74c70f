"""Print versions, devices and packages, for a report or a paper."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from segsr.cli.statuses import DONE

PACKAGES = (
    "diffusers", "huggingface-hub", "hydra-core", "jaxtyping", "jinja2", "kornia", "lightning",
    "numpy", "pi-heif", "pillow", "psutil", "pydantic", "pyvips", "pyvips-binary", "pyyaml",
    "rich", "safetensors", "tensorboard", "timm", "torch", "torchmetrics", "torchvision",
    "transformers",
)  # fmt: skip
"""What segsr depends on; a test compares with pyproject.toml."""
EXTRAS = ("gradio", "matplotlib", "onnxruntime", "peft", "pyiqa", "ray", "spandrel")
"""What its extras bring, named where it is installed."""
GIB = 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Print a line a fact; no path, user or host is among them."""
    for name, value in [*system(), *devices(), *packages()]:
        print(f"{name:<16} {value}")
    return DONE


def system() -> list[tuple[str, str]]:
    """Versions of segsr and Python, the system, processors, memory, the hub's settings."""
    import psutil

    from segsr import __version__

    hub = [name for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT") if os.environ.get(name)]
    return [
        ("segsr", __version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processors", f"{psutil.cpu_count(logical=False)}, {os.cpu_count()} logical"),
        ("memory", f"{psutil.virtual_memory().total / GIB:.1f} GiB"),
        ("hub", f"with {' and '.join(hub)} set" if hub else "as it comes"),
    ]


def devices() -> list[tuple[str, str]]:
    """The devices that PyTorch sees and the one that `--device auto` takes."""
    import torch

    cuda = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    mps = torch.backends.mps.is_available()
    return [
        ("device", "cuda" if cuda else "mps" if mps else "cpu"),
        ("threads", str(torch.get_num_threads())),
        ("CUDA of PyTorch", torch.version.cuda or "none"),
        *((f"cuda:{n}", f"{each.name}, {each.total_memory / GIB:.1f} GiB, compute capability"
           f" {each.major}.{each.minor}") for n, each in enumerate(cuda)),
    ]  # fmt: skip


def packages() -> list[tuple[str, str]]:
    """Versions of what segsr depends on, and of what is there of its extras."""
    found = [(name, installed(name)) for name in (*PACKAGES, *EXTRAS)]
    return [(name, text or "missing") for name, text in found if text or name in PACKAGES]


def installed(name: str) -> str | None:
    """A package's version; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
