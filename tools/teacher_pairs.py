"""Cache a teacher's results: LQ crops and what the teacher makes of them, as a folder of pairs.

    python tools/teacher_pairs.py --data DATA --teacher FILE --out PAIRS --count 1200

Crops and degradation are those of conf/compact_srdm.yaml on conf/data/compact_photos.yaml, by
position in its training stream, so the same command gives the same pairs and one that was stopped
goes on. PAIRS/hq holds the teacher's results, PAIRS/lq the LQ crops: data=teacher_pairs trains on
them. On a CPU the teacher takes longer than a training step, and a pair serves many.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from segsr.config import build, load_recipe
from segsr.data.datasets import collate
from segsr.files.photo import write_photo
from segsr.training.teacher import load_teacher

CONF = Path(__file__).parents[1] / "conf"


@torch.no_grad()
def main() -> None:
    """Write the pairs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    overrides = ["data=compact_photos", f"data.root={arguments.data}", "data.cache=false"]
    cfg = load_recipe(
        CONF / "compact_srdm.yaml", [*overrides, f"data.crop_size={arguments.crop}", "run_dir=."]
    )
    data = build(cfg.data)
    data.setup("fit")
    stream = data.train_dataloader().dataset
    teacher = load_teacher(arguments.teacher).to(arguments.device, torch.bfloat16)
    teacher.to(memory_format=torch.channels_last)
    for position in range(arguments.count):
        name = f"{position:06}.png"
        if (arguments.out / "hq" / name).exists():
            continue
        lq = data.synthesis(collate([stream[position]]))["lq"]
        result = teacher(lq.to(arguments.device, torch.bfloat16)).cpu()
        write_photo(arguments.out / "lq" / name, lq[0])
        write_photo(arguments.out / "hq" / name, result[0])  # last: what exists is complete


if __name__ == "__main__":
    main()
