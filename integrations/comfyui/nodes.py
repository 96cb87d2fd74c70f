"""Nodes: load a model, restore, label, and masks of classes in and out.

A ComfyUI IMAGE is float (B, H, W, 3) in [0, 1], a MASK float (B, H, W). The classes of an image
travel as SEGSR_CLASSES: int64 (B, H, W), 255 where none is known.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.upscale import find_device
from segsr.labeling.base import label
from segsr.labeling.task import TaskLabeler
from segsr.palette import colourise

Inputs = dict[str, dict[str, tuple[Any, ...]]]


class Load:
    """A model folder, a hub id, or `compact`, which ships with segsr."""

    CATEGORY = "segsr"
    FUNCTION = "load"
    RETURN_TYPES = ("SEGSR_MODEL",)
    RETURN_NAMES = ("model",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        devices = ["auto", "cpu", "cuda", "mps"]
        return {"required": {"model": ("STRING", {"default": "compact"}), "device": (devices, {})}}

    def load(self, model: str, device: str) -> tuple[SegSRPipeline]:
        """Return the pipeline on the device."""
        pipeline = SegSRPipeline.from_pretrained(model).to(find_device(device))
        pipeline.set_progress_bar_config(disable=True)
        return (pipeline,)


class Restore:
    """Photographs at any size from 1 to 16 times theirs, and what they were taken to show."""

    CATEGORY = "segsr"
    FUNCTION = "restore"
    RETURN_TYPES = ("IMAGE", "SEGSR_CLASSES")
    RETURN_NAMES = ("image", "classes")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {
                "model": ("SEGSR_MODEL", {}),
                "image": ("IMAGE", {}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**63 - 1}),
                "scale": ("FLOAT", {"default": 4.0, "min": 1.0, "max": 16.0, "step": 0.5}),
                "steps": ("INT", {"default": 0, "min": 0, "max": 1000, "tooltip": "0: its own"}),
                "guidance": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.1}),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05}),
            },
            "optional": {"classes": ("SEGSR_CLASSES", {"tooltip": "to hold; 255 leaves it free"})},
        }

    def restore(
        self,
        model: SegSRPipeline,
        image: Tensor,
        seed: int,
        scale: float,
        steps: int,
        guidance: float,
        strength: float,
        classes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the restored images and their classes; ComfyUI's bar moves and its stop works."""
        steps = steps or model.model.image.steps
        advance = _progress(len(image) * steps)
        found = [
            model(
                photo[..., :3].permute(2, 0, 1).clamp(0, 1),
                seed=seed,
                scale=scale,
                mask=None if classes is None else classes[min(i, len(classes) - 1)],
                on_step=lambda t: advance(),
                steps=steps,
                guidance=guidance,
                strength=strength,
            )
            for i, photo in enumerate(image)
        ]
        return torch.stack([_picture(x.image) for x in found]), torch.stack(
            [x.mask.cpu() for x in found]
        )


class Label:
    """The classes of photographs as they are, by the packaged labeler of street scenes."""

    CATEGORY = "segsr"
    FUNCTION = "label"
    RETURN_TYPES = ("SEGSR_CLASSES",)
    RETURN_NAMES = ("classes",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"image": ("IMAGE", {})}}

    def label(self, image: Tensor) -> tuple[Tensor]:
        """Return int64 (B, H, W)."""
        labeler = TaskLabeler().eval()
        return (label(labeler, image[..., :3].permute(0, 3, 1, 2).clamp(0, 1)).masks.long().cpu(),)


class ClassMask:
    """Where a class is, as a mask for other nodes."""

    CATEGORY = "segsr"
    FUNCTION = "mask"
    RETURN_TYPES = ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        names = [*CLASSES, "unknown"]
        return {"required": {"classes": ("SEGSR_CLASSES", {}), "name": (names, {})}}

    def mask(self, classes: Tensor, name: str) -> tuple[Tensor]:
        """Return 1 where the class is, else 0."""
        return ((classes == _index(name)).float(),)


class PaintClass:
    """A class wherever a mask is above a half, on other classes or on none."""

    CATEGORY = "segsr"
    FUNCTION = "paint"
    RETURN_TYPES = ("SEGSR_CLASSES",)
    RETURN_NAMES = ("classes",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {
            "required": {"mask": ("MASK", {}), "name": (list(CLASSES), {})},
            "optional": {"classes": ("SEGSR_CLASSES", {})},
        }

    def paint(self, mask: Tensor, name: str, classes: Tensor | None = None) -> tuple[Tensor]:
        """Return the classes with `name` painted in.

        Raises:
            ValueError: If mask and classes differ in size.
        """
        if classes is None:
            classes = torch.full(mask.shape, IGNORE_INDEX)
        if classes.shape[-2:] != mask.shape[-2:]:
            raise ValueError(
                f"the mask is {mask.shape[-1]} x {mask.shape[-2]}, but the classes are"
                f" {classes.shape[-1]} x {classes.shape[-2]}: resize the mask to them"
            )
        return (torch.where(mask > 0.5, _index(name), classes),)


class Colours:
    """Classes as a picture, in segsr's colours."""

    CATEGORY = "segsr"
    FUNCTION = "colours"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        return {"required": {"classes": ("SEGSR_CLASSES", {})}}

    def colours(self, classes: Tensor) -> tuple[Tensor]:
        """Return float (B, H, W, 3)."""
        pictures = [torch.from_numpy(colourise(each.cpu())) for each in classes]
        return (torch.stack(pictures).float() / 255,)


def _picture(image: Tensor) -> Tensor:
    """(3, H, W), bytes where it was restored in bands, to float (H, W, 3)."""
    image = image.cpu().permute(1, 2, 0)
    return image.float() if image.is_floating_point() else image.float() / 255


def _index(name: str) -> int:
    return IGNORE_INDEX if name == "unknown" else CLASSES.index(name)


def _progress(total: int) -> Any:
    """What to call after every step: moves ComfyUI's bar and stops where its user said so."""
    try:
        from comfy.model_management import throw_exception_if_processing_interrupted
        from comfy.utils import ProgressBar
    except ImportError:  # outside ComfyUI
        return lambda: None
    bar = ProgressBar(total)

    def advance() -> None:
        throw_exception_if_processing_interrupted()
        bar.update(1)

    return advance


NODE_CLASS_MAPPINGS = {
    "SegSRLoad": Load,
    "SegSRRestore": Restore,
    "SegSRLabel": Label,
    "SegSRClassMask": ClassMask,
    "SegSRPaintClass": PaintClass,
    "SegSRColours": Colours,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "SegSRLoad": "Load SegSR",
    "SegSRRestore": "Restore (SegSR)",
    "SegSRLabel": "Label (SegSR)",
    "SegSRClassMask": "Mask of a class (SegSR)",
    "SegSRPaintClass": "Paint a class (SegSR)",
    "SegSRColours": "Colours of classes (SegSR)",
}
