"""Segmentation-guided diffusion super-resolution.

`import segsr` is instant: torch and the models are imported when a name is first used. A recipe's
model is `segsr.build(segsr.load_recipe("joint", ["data.root=photos", "weights=model"]).model)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segsr.config import build, load_recipe
    from segsr.inference.pipeline import SegSRPipeline
    from segsr.tasks.joint import JointSegSR
    from segsr.tasks.segdm import SegDM
    from segsr.tasks.srdm import SRDM

    __version__: str

__all__ = [
    "SRDM",
    "JointSegSR",
    "SegDM",
    "SegSRPipeline",
    "__version__",
    "build",
    "load_recipe",
]

_HOMES = {
    "SRDM": "segsr.tasks.srdm",
    "SegDM": "segsr.tasks.segdm",
    "JointSegSR": "segsr.tasks.joint",
    "SegSRPipeline": "segsr.inference.pipeline",
    "build": "segsr.config",
    "load_recipe": "segsr.config",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("segsr")
        except PackageNotFoundError:  # a checkout on PYTHONPATH
            return "0+unknown"
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'segsr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
