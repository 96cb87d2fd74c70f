"""Pairs of a batch of bytes, by a degradation whose randomness is keyed by the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segsr.degradation import Degradation
from segsr.seeding import generator


@dataclass(frozen=True)
class Synthesis:
    """Gives a batch what is missing of its pairs: the same wherever and however it is batched.

    Args:
        degradation: HQ to pairs.
        seed: Key of the samples' generators, together with their position in the training stream
            or, outside training, their file name.
    """

    degradation: Degradation
    seed: int = 0

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """`batch` with `hq` and `lq` in [0, 1], of its own LQ images or of synthesised ones.

        Args:
            batch: What `segsr.data.datasets.collate` returns; or a batch that is done, which comes
                back as it is.
        """
        images = {key: batch[key] for key in ("hq", "lq") if key in batch}
        if any(image.is_floating_point() for image in images.values()):
            return batch
        batch = batch | {key: image.float() / 255 for key, image in images.items()}
        if "lq" in batch or "hq" not in batch:
            return batch
        keys = batch.get("position", batch["name"])
        hq, lq = self.degradation(
            batch["hq"], [generator(self.seed, "degrade", key) for key in keys]
        )
        return batch | {"hq": hq, "lq": lq}
