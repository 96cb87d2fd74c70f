"""Make the pairs that the compact model is trained on, once and by all cores.

    python tools/make_pairs.py -c conf/compact_srdm.yaml --out PAIRS --count 24000 \
        [--workers 14] [--teacher FILE] [--device cuda] data=compact_photos data.root=DATA

Crops and degradation are those of the recipe's data, by position in its training stream, so the
same command gives the same pairs, and one that was stopped goes on. PAIRS holds files of 512 pairs
(`segsr.data.cached_pairs`), which `segsr fit ... data.pairs=PAIRS` trains on. With a teacher
(tools/realesrgan_from_ncnn.py) its results are added, to pairs made before too: data.target=taught.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from segsr.config import build, load_recipe
from segsr.errors import SegSRError
from segsr.training.teacher import Teacher, load_teacher

SHARD = 512  # pairs of a file
BATCH = 16
ORIGIN = "made_of"  # key of a file's metadata


def main() -> None:
    """Write the files that are missing, then what a teacher makes of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1024, help="rounded up to whole files of 512")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    files = [arguments.out / f"{i:04}.safetensors" for i in range(-(-arguments.count // SHARD))]
    overrides = [*arguments.overrides, "run_dir=.", f"data.batch_size={BATCH}", "data.passes=1000"]
    overrides += [f"data.num_workers={arguments.workers}", "data.cache=true"]
    config = load_recipe(arguments.config, overrides).data
    origin = made_of(config)
    for file in files:
        check(file, origin)
    missing = [file for file in files if not file.exists()]
    if missing:
        synthesise(build(config), files, files.index(missing[0]), origin)
    teacher = load_teacher(arguments.teacher)
    if teacher is not None:
        teacher.to(arguments.device, torch.bfloat16, memory_format=torch.channels_last)
        for file in files:
            teach(file, teacher, torch.device(arguments.device))


def made_of(config: DictConfig) -> str:
    """Return what decides the pairs: the recipe's data but for how they are loaded."""
    loading = {"batch_size", "passes", "num_workers", "cache", "degrade_in_workers"}
    resolved = OmegaConf.to_container(config, resolve=True)
    return json.dumps({k: v for k, v in resolved.items() if k not in loading}, sort_keys=True)


def check(file: Path, origin: str) -> None:
    """Check that a file, if it is there, was made of the same.

    Raises:
        SegSRError: If it was not.
    """
    if not file.exists():
        return
    with safe_open(file, "pt") as stored:
        if (stored.metadata() or {}).get(ORIGIN) != origin:
            raise SegSRError(
                f"{file} was made of other data or another degradation: give another --out, or"
                " delete it"
            )


def synthesise(data: Any, files: list[Path], first: int, origin: str) -> None:
    """Write the files from the `first` on."""
    data.setup("fit")
    data.load_state_dict({"position": first * SHARD, "batches": 0})
    batches = iter(data.train_dataloader())
    for file in files[first:]:
        save(collected(batches, data), file, origin)
        print(f"{file.name} of {len(files)}", flush=True)


def collected(batches: Iterator[Any], data: Any) -> dict[str, Tensor]:
    """Return the next SHARD pairs as bytes."""
    parts: dict[str, list[Tensor]] = {}
    for _ in range(SHARD // BATCH):
        batch = data.on_after_batch_transfer(next(batches))
        for key in ("hq", "lq", "mask"):
            if key in batch:
                x = batch[key]
                parts.setdefault(key, []).append((x * 255).round() if key != "mask" else x)
    return {key: torch.cat(tensors).byte().contiguous() for key, tensors in parts.items()}


@torch.no_grad()
def teach(file: Path, teacher: Teacher, device: torch.device) -> None:
    """Add what the teacher makes of the LQ images of a file, unless it is there."""
    with safe_open(file, "pt") as stored:
        if "taught" in stored.keys():  # noqa: SIM118, no mapping
            return
        origin = stored.metadata()[ORIGIN]
    tensors = load_file(file)
    results = [
        (teacher(lq.to(device, torch.bfloat16) / 255) * 255).round().byte().cpu()
        for lq in tensors["lq"].split(BATCH)
    ]
    save(tensors | {"taught": torch.cat(results).contiguous()}, file, origin)
    print(f"{file.name} taught", flush=True)


def save(tensors: dict[str, Tensor], file: Path, origin: str) -> None:
    """Write a file in one piece, and in it what it was made of."""
    part = file.with_suffix(".part")
    save_file(tensors, part, {ORIGIN: origin})
    part.replace(file)


if __name__ == "__main__":
    main()
