"""Files to tensors of bytes, each complaint one sentence that names the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from segsr.batch import IGNORE_INDEX, SCALE, UNKNOWN_INDEX
from segsr.data.image_folder import Files
from segsr.errors import SegSRError
from segsr.files.pixels import read_image, read_labels
from segsr.vocabularies import lookup_table


@dataclass(frozen=True)
class SamplePixels:
    """The pixels of one sample as bytes; a loader moves a quarter of what floats would be.

    Attributes:
        name: File name without folders.
        hq: (3, H, W) in 0..255.
        mask: (H, W) class index, IGNORE_INDEX or UNKNOWN_INDEX, if the sample has one.
        lq: (3, H / SCALE, W / SCALE) in 0..255, if it is given and not to be synthesised.
        lq_only: `hq` is no ground truth but `lq` with its pixels repeated, so that it is cropped
            alike; it goes into no batch.
    """

    name: str
    hq: UInt8[Tensor, "3 h w"]
    mask: UInt8[Tensor, "h w"] | None = None
    lq: UInt8[Tensor, "3 lh lw"] | None = None
    lq_only: bool = False


def read_sample(files: Files) -> SamplePixels:
    """The pixels of one sample.

    Raises:
        SegSRError: A file is missing or unreadable, or sizes do not fit each other.
    """
    files.check()
    if files.lq_only:
        pixels = read_image(files.image)
        repeated = pixels.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2)
        return SamplePixels(files.name, repeated, lq=pixels, lq_only=True)
    hq = read_image(files.image)
    height, width = hq.shape[1:]
    mask = lq = None
    if files.unknown:
        mask = torch.full((height, width), UNKNOWN_INDEX, dtype=torch.uint8)
    if files.mask is not None:
        mask = _read_mask(files.mask, files.class_map, files.num_classes)
        if mask.shape != hq.shape[1:]:
            raise SegSRError(
                f"mask {files.mask} is {mask.shape[1]}x{mask.shape[0]}, its image {files.image} "
                f"{width}x{height}: resize the mask with nearest neighbour"
            )
    if files.lq is not None:
        lq = read_image(files.lq)
        if (height, width) != (SCALE * lq.shape[1], SCALE * lq.shape[2]):
            raise SegSRError(
                f"LQ image {files.lq} is {lq.shape[2]}x{lq.shape[1]}, which is not 1/{SCALE} of "
                f"the {width}x{height} of {files.image}: crop the pair to fit"
            )
    return SamplePixels(files.name, hq, mask, lq)


def _read_mask(
    path: Path, class_map: Mapping[int, int] | None, num_classes: int
) -> UInt8[Tensor, "h w"]:
    """The class indices that the labels in `path` mean; the labels themselves without a map."""
    labels = read_labels(path)
    if class_map is not None:
        return torch.from_numpy(lookup_table(class_map)[labels.numpy()])
    num_classes = min(num_classes, UNKNOWN_INDEX)  # which says something else than a class
    unknown = labels[(labels >= num_classes) & (labels != IGNORE_INDEX)]
    if len(unknown):
        raise SegSRError(
            f"mask {path} holds the index {int(unknown[0])}, but classes are 0 to {num_classes - 1}"
            f" and {IGNORE_INDEX} for none: say what its labels mean (class_map), or draw it anew"
        )
    return labels
