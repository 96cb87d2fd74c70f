"""Restoring one photograph of any size: padding, sampling, cropping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.diffusion.joint_sampler import JointStep
from segsr.diffusion.noise import Noise
from segsr.diffusion.state import Window
from segsr.errors import SegSRError
from segsr.inference.prior import look, prior_in
from segsr.inference.size import Enlargement, resize, resize_mask
from segsr.inference.tiles import Tiling, tiled_decode, tiled_predict, tiled_read
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import decode_mask, encode_mask, to_canvas
from segsr.nets.seg_prior import Prior

SMALLEST = 64
"""HQ pixels that a side is padded to at least: SegFormer's coarsest attention needs 32."""


@dataclass(frozen=True)
class RestorationStep:
    """What one step of the reverse process predicts, at the photograph's HQ size.

    Attributes:
        t: Step on the shared clock.
        image: (3, H, W) in [0, 1].
        mask: Classes, int64 (H, W); 255 where the prediction is unsure.
        classes: The likeliest classes, sure or not.
    """

    t: int
    image: Tensor
    mask: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Restoration:
    """A restored photograph.

    Attributes:
        image: (3, H, W) in [0, 1], H and W exactly SCALE times those of the input unless another
            size was asked for; uint8 of a photograph that went in bands.
        mask: Classes, int64 (H, W); 255 where the prediction is unsure.
        classes: The likeliest classes, sure or not.
        trajectory: Every step, noisiest first, if it was asked for; the last one holds `image` and
            `mask`.
        options: How it was sampled, the model's own choices named.
        enlargement: How it reached its size.
    """

    image: Tensor
    mask: Tensor
    classes: Tensor
    trajectory: list[RestorationStep] = field(repr=False)
    options: SamplingOptions = field(default_factory=SamplingOptions)
    enlargement: Enlargement | None = None


def restore(
    model: JointModel,
    image: PIL.Image.Image | Float[Tensor, "3 h w"],
    noise: Noise,
    options: SamplingOptions,
    *,
    mask: Int[Tensor, "mh mw"] | None = None,
    tiling: Tiling | None = None,
    prior: Prior | None = None,
    trajectory: bool = False,
    on_step: Callable[[int], None] = lambda t: None,
    on_tile: Callable[[], None] = lambda: None,
) -> Restoration:
    """Return `image` at SCALE times its size.

    Args:
        model: The trained model, on its device.
        image: The LQ photograph: RGB, in [0, 1] if a tensor.
        noise: Of the photograph, by position.
        options: How to sample.
        mask: Classes to hold fixed instead of estimating them, at LQ or HQ size; 255 leaves a
            pixel to SegDM.
        tiling: How the grid is cut into tiles; None shows the networks all of it.
        prior: What the prior says on the grid of the padded image; None asks it.
        trajectory: Also decode what every step predicts; else the last step only.
        on_step: Called with t after every step.
        on_tile: Called after every tile of every step.

    Raises:
        SegSRError: If the image is empty or not RGB, the mask of another size or class range, or
            the options ask what the model cannot do.
    """
    model.image.check(options)
    lq = as_image(image)[None].to(model.device)
    height, width = lq.shape[-2:]
    fitting = padded(lq, model)
    given, held = None, torch.zeros((), dtype=torch.bool, device=lq.device)
    if mask is not None:
        given = _on_grid(mask.to(lq.device), (height, width), fitting.shape[-2:], model)
        cells = (given[0] != IGNORE_INDEX).repeat_interleave(model.mask.factor, 0)
        held = cells.repeat_interleave(model.mask.factor, 1)
        held = held[: SCALE * height, : SCALE * width]
    canvas, tiling = to_canvas(fitting), tiling or Tiling(max(fitting.shape) * SCALE, 0)
    if prior is None:
        grid = (canvas.shape[-2] // model.mask.factor, canvas.shape[-1] // model.mask.factor)
        prior = prior_in(look(model, fitting), Window(0, 0, *grid), grid)
    conditions = tiled_read(model, canvas, given, tiling, prior)

    def decoded(step: JointStep) -> RestorationStep:
        image, classes, sure = (
            x[0, ..., : SCALE * height, : SCALE * width]
            for x in tiled_decode(model, step, conditions, options, tiling)
        )
        sure = sure | held  # bilinear doubt does not leak over a given mask's border
        return RestorationStep(step.t, image, classes.masked_fill(~sure, IGNORE_INDEX), classes)

    seen = []
    predict = tiled_predict(
        partial(model.predict_mask, options=options),
        partial(model.predict_image, options=options),
        tiling,
        on_tile,
    )
    for step in model.sample(conditions, noise, options, predict):
        if trajectory:
            seen.append(decoded(step))
        on_step(step.t)
    last = seen[-1] if trajectory else decoded(step)
    return Restoration(last.image, last.mask, last.classes, seen)


def resized(restoration: Restoration, height: int, width: int) -> Restoration:
    """Return a restoration at another size, with its trajectory."""

    def sized(one: Restoration | RestorationStep) -> tuple[Tensor, Tensor, Tensor]:
        mask, classes = (resize_mask(x, height, width) for x in (one.mask, one.classes))
        return resize(one.image, height, width), mask, classes

    steps = [RestorationStep(step.t, *sized(step)) for step in restoration.trajectory]
    image, mask, classes = sized(restoration)
    return replace(restoration, image=image, mask=mask, classes=classes, trajectory=steps)


@torch.no_grad()
def prior_mask(
    model: JointModel, image: PIL.Image.Image | Float[Tensor, "3 h w"]
) -> Int[Tensor, "sh sw"]:
    """Return the first mask of `image`, the prior's, at SCALE times its size.

    Args:
        model: The trained model, on its device.
        image: The LQ photograph: RGB, in [0, 1] if a tensor.
    """
    lq = as_image(image)[None].to(model.device)
    height, width = lq.shape[-2:]
    canvas = to_canvas(padded(lq, model))
    mask = decode_mask(model.mask.read(canvas).logits, model.mask.factor)
    return mask[0, : SCALE * height, : SCALE * width]


def pad_to_multiple(
    images: Float[Tensor, "b c h w"], multiple: int, smallest: int = 1
) -> Float[Tensor, "b c ph pw"]:
    """Return `images` padded right and bottom to multiples of `multiple`, `smallest` at least.

    By reflection; by repeating the edge where the image is smaller than the padding.
    """
    height, width = images.shape[-2:]
    right, bottom = (
        -(-max(side, smallest) // multiple) * multiple - side for side in (width, height)
    )
    mode = "reflect" if right < width and bottom < height else "replicate"
    return F.pad(images, (0, right, 0, bottom), mode=mode)


def as_image(image: PIL.Image.Image | Tensor) -> Float[Tensor, "3 h w"]:
    """Return a photograph, 8-bit samples too, as RGB in [0, 1].

    Raises:
        SegSRError: If it is empty or not RGB.
    """
    if isinstance(image, PIL.Image.Image):
        pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
        image = torch.from_numpy(pixels).permute(2, 0, 1)
    if image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        raise SegSRError(
            f"an image must be RGB of shape (3, H, W), got {tuple(image.shape)}: convert it first."
        )
    return image.float() / 255 if image.dtype == torch.uint8 else image.float()


def padded(lq: Float[Tensor, "b 3 h w"], model: JointModel) -> Float[Tensor, "b 3 ph pw"]:
    """Return LQ images padded to what the model can take."""
    return pad_to_multiple(lq, model.image.multiple // SCALE, SMALLEST // SCALE)


def _on_grid(mask: Tensor, size: tuple[int, int], padded: torch.Size, model: JointModel) -> Tensor:
    """The mask on the latent grid of the padded image; 255 where the padding is."""
    height, width = size
    hq = (SCALE * height, SCALE * width)
    if tuple(mask.shape) not in (size, hq):
        raise SegSRError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]}, but must be as large as the photograph"
            f" ({width}x{height}) or as its restoration ({hq[1]}x{hq[0]}): resize it with nearest."
        )
    known = mask[mask != IGNORE_INDEX]
    if known.numel() and not 0 <= int(known.min()) <= int(known.max()) < model.mask.num_classes:
        raise SegSRError(
            f"the mask holds values up to {int(known.max())}, but classes are 0 to"
            f" {model.mask.num_classes - 1} and {IGNORE_INDEX} leaves a pixel free."
        )
    full = F.interpolate(mask[None, None].float(), hq, mode="nearest-exact")
    right, bottom = SCALE * padded[1] - hq[1], SCALE * padded[0] - hq[0]
    full = F.pad(full, (0, right, 0, bottom), value=IGNORE_INDEX)
    return encode_mask(full[0].long(), model.mask.factor)
