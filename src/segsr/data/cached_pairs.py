"""Pairs that were synthesised beforehand: kept on the device that trains, drawn by position.

Degrading a crop takes a core some 15 ms, in which a GPU trains on a dozen. So a fixed set of pairs
is made once, by all cores (tools/make_pairs.py), and training draws from it without the host. A
set is a folder of safetensors files, each with `hq` (n, 3, s, s), `lq` (n, 3, s / SCALE, s / SCALE)
and, where there are, `mask` (n, s, s) and a teacher's results `taught` (n, 3, s, s), all bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.utils.data import Dataset

from segsr.batch import SCALE
from segsr.data.sampler import index_at
from segsr.errors import SegSRError
from segsr.seeding import generator

Target = Literal["hq", "taught"]
"""What is learned from a pair: the photograph, or what the teacher made of its LQ."""

_REMEDY = "make the pairs with tools/make_pairs.py"


class CachedPairs(Dataset[int]):
    """The pairs of a folder as an endless stream of positions, and batches of them.

    As a dataset it yields the positions themselves, so that a loader has nothing to do; `batch`
    gathers them.

    Args:
        folder: Of safetensors files.
        crop_size: Side of the window that is cut from the pairs of a batch, in HQ pixels.
        target: What becomes `hq`.
        seed: Key of all randomness, together with the position.
        flip: Mirror half of the pairs.
        turn: Turn each batch by a multiple of 90 degrees.

    Raises:
        SegSRError: If there are no pairs, a file is damaged, or the pairs lack what is asked for.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        crop_size: int,
        target: Target = "hq",
        seed: int = 0,
        flip: bool = True,
        turn: bool = False,
    ) -> None:
        self.tensors = _read(Path(folder), target)
        side = self.tensors["hq"].shape[-1]
        if crop_size > side:
            raise SegSRError(
                f"crop_size is {crop_size}, but the pairs of {folder} have a side of {side}: take"
                f" at most that, or {_REMEDY} of a larger crop_size"
            )
        self.crop_size = crop_size
        self.seed = seed
        self.flip = flip
        self.turn = turn

    def __len__(self) -> int:
        return len(self.tensors["hq"])

    def __getitem__(self, position: int) -> int:
        return position

    @staticmethod
    def collate(positions: list[int]) -> dict[str, list[int]]:
        """Return the positions as the loader's batch."""
        return {"position": positions}

    def to(self, device: torch.device) -> None:
        """Move all pairs to `device`."""
        self.tensors = {key: tensor.to(device) for key, tensor in self.tensors.items()}

    def batch(self, positions: Sequence[int]) -> dict[str, Any]:
        """Return the pairs at `positions` as bytes, cut and mirrored: `hq`, `lq`, `mask`, `name`.

        Cuts and turns are those of the first position, for the whole batch.
        """
        indices = [index_at(self.seed, position, len(self)) for position in positions]
        draws = generator(self.seed, "augment", positions[0])
        device = self.tensors["hq"].device
        chosen = torch.tensor(indices).to(device, non_blocking=True)
        mirrored = (torch.rand(len(indices), generator=draws) < 0.5).to(device, non_blocking=True)
        steps = (self.tensors["hq"].shape[-1] - self.crop_size) // SCALE + 1
        top, left = (int(torch.randint(steps, (), generator=draws)) for _ in range(2))
        turns = int(torch.randint(4, (), generator=draws)) if self.turn else 0
        batch: dict[str, Any] = {"name": [str(index) for index in indices], "position": positions}
        for key, stored in self.tensors.items():
            unit = 1 if key == "lq" else SCALE
            rows, columns = (
                slice(start * unit, start * unit + self.crop_size * unit // SCALE)
                for start in (top, left)
            )
            x = stored[chosen][..., rows, columns]
            x = torch.rot90(x, turns, (-2, -1)) if turns else x
            if self.flip:
                x = torch.where(mirrored.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
            batch[key] = x
        return batch


def _read(folder: Path, target: Target) -> dict[str, Tensor]:
    """The tensors of all files, one after the other; the target is called `hq`."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise SegSRError(f"no pairs in {folder}: {_REMEDY}")
    parts: dict[str, list[Tensor]] = {}
    for file in files:
        try:
            with safe_open(file, "pt") as stored:
                keys = set(stored.keys())
                if missing := {target, "lq"} - keys:
                    raise SegSRError(f"{file} has no {' and no '.join(missing)}: {_REMEDY}")
                names = {"hq": target, "lq": "lq"} | ({"mask": "mask"} if "mask" in keys else {})
                for key, name in names.items():
                    parts.setdefault(key, []).append(stored.get_tensor(name))
        except (OSError, SafetensorError) as error:
            raise SegSRError(f"{file} cannot be read ({error}): {_REMEDY}") from error
    if len({len(part) for part in parts.values()}) > 1:
        raise SegSRError(f"of {folder} some files have masks and others none: {_REMEDY}")
    if len({tensor.shape[1:] for tensor in parts["hq"]}) > 1:
        raise SegSRError(f"the pairs of {folder} are of several sizes: {_REMEDY}")
    return {key: torch.cat(tensors) for key, tensors in parts.items()}
