"""The test sets of a benchmark, as folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from segsr.data import PairDataModule
from segsr.files.atomic import write_text
from segsr.files.mask import write_mask
from segsr.files.photo import write_photo

DONE = "complete"
"""File that says that a folder made of a data module is whole."""


@runtime_checkable
class ImageSet(Protocol):
    """Photographs to restore.

    Attributes:
        name: In tables and of folders.
    """

    name: str

    def folders(self, output: Path) -> dict[str, Path]:
        """Return the folders by role: `lq`, and `hq` and `label` where there are any.

        Args:
            output: Where a test set that has no folders may write them.
        """
        ...


@dataclass(frozen=True)
class Folders:
    """A test set on disk.

    Attributes:
        name: In tables and of folders.
        lq: Folder of the photographs to restore.
        hq: Folder of the true photographs; None if there are none (RealLQ250).
        labels: Folder of the true masks, in segsr's classes.
        root: Folder that the others are relative to.
    """

    name: str
    lq: str | Path
    hq: str | Path | None = None
    labels: str | Path | None = None
    root: str | Path = "."

    def folders(self, output: Path) -> dict[str, Path]:
        """Return the folders by role; see `ImageSet`."""
        given: Mapping[str, str | Path | None] = {
            "lq": self.lq,
            "hq": self.hq,
            "label": self.labels,
        }
        return {role: Path(self.root) / path for role, path in given.items() if path is not None}


@dataclass(frozen=True)
class FromData:
    """The test set of a data module, written out once: what `segsr test` measures on.

    Attributes:
        name: In tables and of folders.
        data: The data module.
    """

    name: str
    data: PairDataModule

    def folders(self, output: Path) -> dict[str, Path]:
        """Write the pairs below `output` and return their folders; see `ImageSet`.

        Raises:
            SegSRError: If a file of the test set is bad.
        """
        folder = output / "pairs"
        if not (folder / DONE).exists():
            self.data.setup("test")
            for batch in self.data.test_dataloader():
                self._write(self.data.on_after_batch_transfer(batch), folder)
            write_text(folder / DONE, "")
        return {role: folder / role for role in ("lq", "hq", "label") if (folder / role).is_dir()}

    def _write(self, batch: Mapping[str, object], folder: Path) -> None:
        names = batch["name"]
        assert isinstance(names, list)
        for role in ("lq", "hq", "mask"):
            images = batch.get(role)
            if not isinstance(images, torch.Tensor):
                continue
            for name, image in zip(names, images, strict=True):
                if role == "mask":
                    write_mask(folder / "label" / f"{Path(name).stem}.png", image)
                else:
                    write_photo(folder / role / f"{Path(name).stem}.png", image)
