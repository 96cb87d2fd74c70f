"""Metrics of pyiqa (IQA-PyTorch): LPIPS, DISTS, MUSIQ, MANIQA, CLIPIQA, NIQE.

pyiqa's own licence is non-commercial, so it is an extra (`segsr[iqa]`); it fetches weights from the
hub, or finds them in a folder:

    FOLDER/
      pyiqa/        what pyiqa keeps in ~/.cache/torch/hub/pyiqa
      checkpoints/  what torchvision keeps in ~/.cache/torch/hub/checkpoints (LPIPS, DISTS)
      clip/         what CLIP keeps in ~/.cache/clip (CLIPIQA)
      hub/          a Hugging Face cache with timm's ViT (MANIQA)

With a folder nothing is downloaded. `maniqa` (trained on KonIQ, the paper's) and `maniqa-pipal`
(most one-step papers') share a name in tables of both: they are two columns here.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch
from urllib.parse import urlparse

import torch
from torch import Tensor

from segsr.errors import SegSRError
from segsr.metrics.column import Column
from segsr.metrics.image_metric import Inputs

COLUMNS = {
    "psnr": Column("pyiqa_psnr", "PSNR (pyiqa)", True, 2, "pyiqa_psnr"),
    "ssim": Column("pyiqa_ssim", "SSIM (pyiqa)", True, 4, "pyiqa_ssim"),
    "lpips": Column("lpips", "LPIPS", False, 4, "lpips"),
    "dists": Column("dists", "DISTS", False, 4, "dists"),
    "musiq": Column("musiq", "MUSIQ", True, 2, "musiq"),
    "maniqa": Column("maniqa", "MANIQA", True, 4, "maniqa"),
    "maniqa-pipal": Column("maniqa-pipal", "MANIQA (PIPAL)", True, 4, "maniqa-pipal"),
    "clipiqa": Column("clipiqa", "CLIPIQA", True, 4, "clipiqa"),
    "niqe": Column("niqe", "NIQE", False, 4, "niqe"),
}
"""The columns by pyiqa's name of the metric."""

_NO_REFERENCE = ("musiq", "maniqa", "maniqa-pipal", "clipiqa", "niqe")
_DOCS = "docs/evaluation.md lists them"


class Pyiqa:
    """One metric of pyiqa.

    Args:
        metric: pyiqa's name of it, one of `COLUMNS`.
        weights: Folder of the weights, laid out as above; from pyiqa's own caches or the hub if
            None.
        device: Where it runs.
        options: Keyword arguments of the metric's network instead of pyiqa's defaults, such as
            `{"test_y_channel": True}`.

    Raises:
        SegSRError: If pyiqa is not installed, the metric is unknown or its weights are not to be
            had.
    """

    def __init__(
        self,
        metric: str,
        *,
        weights: str | Path | None = None,
        device: str | torch.device = "cpu",
        options: dict[str, Any] | None = None,
    ) -> None:
        if metric not in COLUMNS:
            raise SegSRError(f"metric must be one of {', '.join(COLUMNS)}, got {metric!r}")
        self.columns = (COLUMNS[metric],)
        self.inputs = ("restored",) if metric in _NO_REFERENCE else ("restored", "hq")
        try:
            import pyiqa

            with _quiet(), _weights_from(None if weights is None else Path(weights)):
                self.model = pyiqa.create_metric(
                    metric, device=torch.device(device), **(options or {})
                )
        except ImportError as error:
            raise SegSRError(
                f"{metric} comes from pyiqa, which cannot be imported ({error}): "
                "pip install 'segsr[iqa]'"
            ) from error
        except Exception as error:  # pyiqa, timm, torchvision, CLIP and the hub have no common one
            where = "from the hub" if weights is None else f"from {weights}"
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise SegSRError(
                f"the weights of {metric} cannot be had {where} ({reason}): give a folder that "
                f"holds them, weights.pyiqa=FOLDER; {_DOCS}"
            ) from error

    @torch.no_grad()
    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return the score (b,) under the metric's name."""
        pair = [images[role].float() for role in self.inputs]
        scores = self.model(*pair).float().reshape(len(images["restored"]))
        return {self.columns[0].field: scores}


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise FileNotFoundError(f"no file {Path(urlparse(url).path).name}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow what pyiqa prints while it builds a metric."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _weights_from(folder: Path | None) -> Iterator[None]:
    """Let pyiqa and what it builds on read weights without unpickling objects, from `folder` only.

    None of them takes a folder as an argument, so the places they look in are exchanged meanwhile.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}))
        if folder is not None:
            import huggingface_hub.constants
            import pyiqa.archs.clip_model
            import pyiqa.utils.download_util

            def clip_file(url: str, root: str) -> str:
                path = folder / "clip" / Path(urlparse(url).path).name
                return str(path) if path.is_file() else _refuse(url)

            for module, name, value in (
                (pyiqa.utils.download_util, "DEFAULT_CACHE_DIR", str(folder / "pyiqa")),
                (pyiqa.utils.download_util, "download_url_to_file", _refuse),
                (pyiqa.archs.clip_model, "_download", clip_file),
                (torch.hub, "get_dir", lambda: str(folder)),
                (torch.hub, "download_url_to_file", _refuse),
                (huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub")),
                (huggingface_hub.constants, "HF_HUB_OFFLINE", True),
            ):
                stack.enter_context(patch.object(module, name, value))
        yield
