"""Where the photographs lie: any folder layout, described by a few paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.files.find import find_by_stem, find_images


@dataclass(frozen=True)
class Files:
    """The files of one sample.

    Attributes:
        image: The photograph.
        mask: Its labels, where the folder has labels.
        lq: Its low-quality version, where the folder has one.
        class_map: The labels' meaning: label to class index; None if they are class indices.
        lq_only: Whether the photograph is itself of low quality, and has no better version.
        unknown: Whether it has no labels, and the network must learn to be unsure of it.
        num_classes: How many classes there are, if the labels are class indices.
    """

    image: Path
    mask: Path | None = None
    lq: Path | None = None
    class_map: Mapping[int, int] | None = None
    lq_only: bool = False
    num_classes: int = len(CLASSES)
    unknown: bool = False

    @property
    def name(self) -> str:
        """File name of the photograph, without folders: the `name` of a batch."""
        return self.image.name

    def check(self) -> None:
        """Makes sure that the photograph's counterparts exist.

        Raises:
            SegSRError: There is no mask or no LQ version.
        """
        for role, path in (("mask", self.mask), ("LQ version", self.lq)):
            if path is not None and not path.exists():
                raise SegSRError(
                    f"{self.image} has no {role}: add {path}, or list the images to take in a split"
                )


@dataclass(frozen=True)
class ImageFolder:
    """One source of photographs; labels and LQ versions share a photograph's stem.

    Args:
        root: Folder that the other paths are relative to; itself relative to the data module's.
        images: Folder of the photographs.
        masks: Folder of the label images, if there are any.
        lq: Folder of low-quality versions at 1/4 of the size, if there are any (RealSR).
        split: Text file that lists the stems to take, one a line; all of the folder if None.
        every: Take only every so many-th, beginning with the first, by name or in the order of
            `split`: a part to hold out.
        without_every: Take all but those.
        first: Take only so many of what is left; all if None.
        unknown: The photographs have no labels, and in training the network must learn to be unsure
            of all of their pixels.
        lq_only: The photographs are themselves of low quality and have no better version: for
            `predict`, and for tests that need no ground truth (RealLQ250).
        class_map: Label to class index, such as `segsr.vocabularies.CAMVID`; None if the label
            images hold class indices.
        mask_suffix: What the name of a label image has between stem and extension.
    """

    root: str | Path = "."
    images: str | Path = "."
    masks: str | Path | None = None
    lq: str | Path | None = None
    split: str | Path | None = None
    class_map: Mapping[int, int] | None = None
    mask_suffix: str = ""
    first: int | None = None
    lq_only: bool = False
    every: int | None = None
    without_every: int | None = None
    unknown: bool = False

    def __post_init__(self) -> None:
        for name in ("first", "every", "without_every"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SegSRError(
                    f"{name} must be at least 1, got {number}: leave it out to take all"
                )
        if self.unknown and self.masks is not None:
            raise SegSRError("a source with unknown=true has no labels: drop its masks")
        if self.lq_only and (self.masks is not None or self.lq is not None):
            raise SegSRError("a source with lq_only=true has images alone: drop its masks and lq")

    def files(self, parent: str | Path = ".") -> list[Files]:
        """The samples, sorted by name or in the order of `split`; see `Files.check`.

        Args:
            parent: Folder that `root` is relative to.

        Raises:
            SegSRError: A folder is missing or empty, or the split lists what is not there.
        """
        root = Path(parent, self.root)
        split = None if self.split is None else root / self.split
        images = find_images(root / self.images, split)
        if self.every is not None:
            images = images[:: self.every]
        if self.without_every is not None:
            images = [image for i, image in enumerate(images) if i % self.without_every]
        images = images[: self.first]
        masks = None if self.masks is None else find_by_stem(root / self.masks)
        lq = None if self.lq is None else find_by_stem(root / self.lq)
        return [
            Files(
                image,
                None if masks is None else _partner(image, masks, self.mask_suffix),
                None if lq is None else _partner(image, lq),
                self.class_map,
                self.lq_only,
                unknown=self.unknown,
            )
            for image in images
        ]


def _partner(image: Path, partners: dict[str, Path], suffix: str = "") -> Path:
    """The counterpart of `image`; where there is none, the PNG file that should be it."""
    stem = image.stem + suffix
    folder = next(iter(partners.values())).parent
    return partners.get(stem, folder / f"{stem}.png")
