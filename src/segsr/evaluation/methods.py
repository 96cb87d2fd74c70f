"""The methods of a table: what makes a restored photograph of an LQ one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import SCALE
from segsr.errors import SegSRError
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.restoration import Restoration, prior_mask
from segsr.labeling.base import Labeler, label
from segsr.model.options import SamplingOptions

Image = Float[Tensor, "3 h w"]
Truth = Float[Tensor, "3 sh sw"]
_MASK_SOURCES = ("own", "prior", "hq")


@dataclass(frozen=True)
class RestoredPhoto:
    """One result.

    Attributes:
        image: (3, H, W) in [0, 1], SCALE times the size of the LQ image.
        mask: The mask that guided it, classes (H, W); None if none did.
    """

    image: Tensor
    mask: Tensor | None = None


@runtime_checkable
class Method(Protocol):
    """What restores.

    Attributes:
        label: Its name in tables.
        device: Where it runs.
    """

    label: str
    device: torch.device

    def restore(self, lq: Image, hq: Truth | None, name: str) -> RestoredPhoto:
        """Return the restoration of one photograph.

        Args:
            lq: RGB in [0, 1].
            hq: The true photograph, for methods that are an upper bound; None if there is none.
            name: Keys the randomness, together with the method's seed.
        """
        ...


@dataclass(frozen=True)
class Outputs:
    """A method whose results are files already: any program's, by test set.

    Attributes:
        label: Its name in tables.
        folders: Folder of its results by name of the test set; a test set may be left out.
        masks: Folder of its masks by name of the test set.
    """

    label: str
    folders: dict[str, str | Path]
    masks: dict[str, str | Path] | None = None


class Bicubic:
    """Pillow's bicubic enlargement, the baseline of most tables.

    Args:
        label: Its name in tables.
    """

    device = torch.device("cpu")

    def __init__(self, label: str = "Bicubic") -> None:
        self.label = label

    def restore(self, lq: Image, hq: Truth | None, name: str) -> RestoredPhoto:
        """Return `lq`, rounded to 8 bits, as Pillow enlarges it; see `Method`."""
        pixels = (lq.cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        size = (SCALE * pixels.shape[1], SCALE * pixels.shape[0])
        large = np.array(PIL.Image.fromarray(pixels).resize(size, PIL.Image.Resampling.BICUBIC))
        return RestoredPhoto(torch.from_numpy(large).permute(2, 0, 1) / 255)


class SegSR:
    """One of our models; the arguments are the paper's ablations (section 4.3, Table 2).

    | setting                     | guidance | exchange | mask    |
    |-----------------------------|----------|----------|---------|
    | Exp. (1) SRDM               | 0        | false    | own     |
    | Exp. (2) + SegFormer's mask | 1        | false    | prior   |
    | Exp. (3) + SegDM            | 1        | false    | own     |
    | Exp. (4) + DMB              | 1        | true     | own     |
    | Exp. (5) HQ's mask          | 1        | false    | hq      |

    Args:
        label: Its name in tables.
        model: See `SegSRPipeline.from_pretrained`.
        mask: What guides the image: SegDM's `own` mask of every step, the `prior`'s first mask, or
            the labeler's mask of the `hq` photograph, an upper bound.
        labeler: Who draws that.
        seed: Of the sampling, together with the photograph's name.
        device: Where it runs.
        options: How to sample; as the model was trained if None.

    Raises:
        SegSRError: If the model cannot be had or the arguments contradict each other.
    """

    def __init__(
        self,
        label: str = "SegSR",
        model: str | Path = "compact",
        *,
        mask: str = "own",
        labeler: Labeler | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        options: SamplingOptions | None = None,
    ) -> None:
        if mask not in _MASK_SOURCES:
            raise SegSRError(f"mask must be one of {', '.join(_MASK_SOURCES)}, got {mask!r}")
        if mask == "hq" and labeler is None:
            raise SegSRError("mask=hq needs a labeler to draw it: labeler=...")
        self.label = label
        self.pipeline = SegSRPipeline.from_pretrained(model).to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.options = options or SamplingOptions()
        self.pipeline.model.image.check(self.options)
        self.mask = mask
        self.labeler = None if labeler is None else labeler.to(device)
        self.seed = seed
        self.device = torch.device(device)

    def restore(self, lq: Image, hq: Truth | None, name: str) -> RestoredPhoto:
        """Return the restoration of `lq` and the mask that guided it; see `Method`."""
        given = self._given_mask(lq, hq, name)
        found = self.pipeline(lq, self.options, seed=self.seed, name=name, mask=given)
        if self.options.semantic_guidance == 0:
            return RestoredPhoto(found.image)
        return RestoredPhoto(found.image, found.classes if given is None else given)

    def trajectory(self, lq: Image, name: str) -> Restoration:
        """Return a restoration with what every step predicts, the paper's Figure 2."""
        found: Restoration = self.pipeline(
            lq, self.options, seed=self.seed, name=name, trajectory=True
        )
        return found

    def _given_mask(self, lq: Image, hq: Truth | None, name: str) -> Int[Tensor, "sh sw"] | None:
        if self.mask == "own":
            return None
        if self.mask == "prior":
            return prior_mask(self.pipeline.model, lq)
        if hq is None or self.labeler is None:
            raise SegSRError(f"{self.label} needs the HQ photograph of {name}: give hq=FOLDER")
        return label(self.labeler, hq.to(self.device)[None]).masks[0]


class Spandrel:
    """Any single-file model that spandrel reads: BSRGAN, Real-ESRGAN, DASR and hundreds more.

    spandrel never unpickles code from a file.

    Args:
        label: Its name in tables.
        weights: The model's file, .pth or .safetensors.
        device: Where it runs.

    Raises:
        SegSRError: If spandrel is not installed, or the file is no model of the factor SCALE.
    """

    def __init__(
        self, label: str, weights: str | Path, *, device: str | torch.device = "cpu"
    ) -> None:
        try:
            import spandrel
        except ImportError as error:
            raise SegSRError(
                f"{label} is read by spandrel, which cannot be imported ({error}): "
                "pip install 'segsr[gan]'"
            ) from error
        if not Path(weights).is_file():
            raise SegSRError(f"no file {weights}: check the path of {label}'s weights")
        try:
            model = spandrel.ModelLoader().load_from_file(weights)
        except Exception as error:  # whatever reading foreign files raises
            raise SegSRError(
                f"{weights} is no model that spandrel {sys.modules['spandrel'].__version__} reads "
                f"({' '.join(str(error).split()) or type(error).__name__})"
            ) from error
        if not isinstance(model, spandrel.ImageModelDescriptor) or model.scale != SCALE:
            raise SegSRError(
                f"{weights} is a {model.architecture.name} of factor {model.scale}: tables here "
                f"are of factor {SCALE}"
            )
        self.label = label
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()

    @torch.no_grad()
    def restore(self, lq: Image, hq: Truth | None, name: str) -> RestoredPhoto:
        """Return the model's output; see `Method`."""
        return RestoredPhoto(self.model(lq.to(self.device)[None])[0].clamp(0, 1))
