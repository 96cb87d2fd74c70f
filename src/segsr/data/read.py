"""Files to tensors of bytes, each complaint one sentence that names the file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from segsr.batch import SCALE
from segsr.classes import IDENTITY, lookup_table
from segsr.data.image_folder import Files
from segsr.errors import SegSRError
from segsr.files.pixels import read_image, read_labels


@dataclass(frozen=True)
class Photo:
    """The pixels of one sample as bytes; a loader moves a quarter of what floats would be.

    Attributes:
        name: File name without folders.
        hq: (3, H, W) in 0..255.
        mask: (H, W) class index or IGNORE_INDEX, if the sample has one.
        lq: (3, H / SCALE, W / SCALE) in 0..255, if it is given and not to be synthesised.
        lq_only: `hq` is no ground truth but `lq` with its pixels repeated, so that it is cropped
            alike; it goes into no batch.
    """

    name: str
    hq: UInt8[Tensor, "3 h w"]
    mask: UInt8[Tensor, "h w"] | None = None
    lq: UInt8[Tensor, "3 lh lw"] | None = None
    lq_only: bool = False


def read_sample(files: Files) -> Photo:
    """The pixels of one sample.

    Raises:
        SegSRError: A file is missing or unreadable, or sizes do not fit each other.
    """
    files.check()
    if files.lq_only:
        pixels = read_image(files.image)
        repeated = pixels.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2)
        return Photo(files.name, repeated, lq=pixels, lq_only=True)
    hq = read_image(files.image)
    height, width = hq.shape[1:]
    mask = lq = None
    if files.mask is not None:
        table = lookup_table(IDENTITY if files.class_map is None else files.class_map)
        mask = torch.from_numpy(table[read_labels(files.mask).numpy()])
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
    return Photo(files.name, hq, mask, lq)
