"""Files of one photograph to what metrics look at, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segsr.errors import SegSRError
from segsr.evaluation.pairing import PhotoFiles
from segsr.files.photo import read_photo
from segsr.files.pixels import read_labels
from segsr.vocabularies import IDENTITY, lookup_table

_MASKS = ("mask", "label")
_OF_TEST_SET = ("hq", "lq", "label")
"""The roles that make up a test set; the others are a method's."""


@dataclass(frozen=True)
class PhotoImages:
    """One photograph in memory.

    Attributes:
        photo: Whose it is.
        images: By role, each with a batch dimension of 1; see `segsr.metrics.image_metric.Inputs`.
        pixels: sha256 of the pixels of each role of the test set.
    """

    photo: PhotoFiles
    images: Mapping[str, Tensor]
    pixels: Mapping[str, str]

    @property
    def size(self) -> tuple[tuple[int, ...], ...]:
        """The sizes of all images: what may share a batch."""
        return tuple(tuple(image.shape) for image in self.images.values())


def read_images(photo: PhotoFiles, label_map: Mapping[int, int] = IDENTITY) -> PhotoImages:
    """Return the images of `photo`: 8 bits a channel, all of one size.

    Args:
        photo: The files.
        label_map: What the true masks' labels mean: label to class index; others are ignored.

    Raises:
        SegSRError: If a file is damaged or transparent, or sizes differ.
    """
    images = {
        role: read_labels(path).long()[None] if role in _MASKS else _read_rgb(path)
        for role, path in photo.files.items()
    }
    if "label" in images:
        images["label"] = torch.from_numpy(lookup_table(label_map)).long()[images["label"]]
    pixels = {role: _digest(images[role]) for role in _OF_TEST_SET if role in images}
    images.pop("lq", None)  # of the test set's identity only, no metric looks at it
    first, *others = images
    for role in others:
        expected, found = images[first].shape[-2:], images[role].shape[-2:]
        if expected != found:
            raise SegSRError(
                f"{photo.files[role]} is {found[1]}x{found[0]}, but {photo.files[first]} "
                f"{expected[1]}x{expected[0]}: figures need images of one size, so write it again "
                "at that size"
            )
    return PhotoImages(photo, images, pixels)


def set_digests(pixels: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the identity of a test set by role: sha256 over its images' pixels.

    It depends on neither file names nor file formats nor the order of the images.

    Args:
        pixels: `PhotoImages.pixels` of every photograph.
    """
    digests: dict[str, list[str]] = {}
    for photograph in pixels:
        for role, digest in photograph.items():
            digests.setdefault(role, []).append(digest)
    return {
        role: hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()
        for role, found in digests.items()
    }


def _read_rgb(path: Path) -> Tensor:
    """Return (1, 3, h, w) in [0, 1], rounded to 8 bits as a file of most methods would be."""
    photo = read_photo(path)
    if photo.alpha is not None and bool((photo.alpha < 1).any()):
        raise SegSRError(
            f"{path} is transparent in places, where it has no colour to measure: flatten it first"
        )
    return (photo.image * 255).round()[None] / 255


def _digest(image: Tensor) -> str:
    content = (image * 255).round() if image.is_floating_point() else image
    head = "x".join(map(str, image.shape[1:]))
    return hashlib.sha256(head.encode() + content.to(torch.uint8).numpy().tobytes()).hexdigest()
