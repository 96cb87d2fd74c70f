"""Train the compact model from nothing to its table: all stages, within a budget of minutes.

    python tools/train_compact.py --data DATA --out OUT --minutes 600 --device cpu \
        --teacher realesrgan_x4plus.safetensors --vgg vgg_shift_tolerant.pth

DATA holds labelmefacade/, camvid/, photos/ and extra/ (conf/data/compact*.yaml), and realsr/ for
the table. OUT/weights becomes the model folder, OUT/runs keeps every stage's curve and checkpoints.
Killed at any moment, the same command goes on: stages that are done are skipped, one that was begun
resumes. With --round 2 all stages are trained on from what round 1 left; --start takes the weights
of any model folder.

Pairs are made first, and a teacher's results (tools/make_pairs.py): OUT/pairs. Each stage then is
`segsr fit` with a recipe of conf/. On CUDA the image's and the mask's stages run side by side,
since neither fills a device: Python's own time bounds both. On a CPU stages follow each other.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CROP = 256  # side of the pairs, in HQ pixels; on a CPU recipes cut smaller windows


@dataclass(frozen=True)
class Stage:
    """A recipe, its share of the minutes and what it needs beside them.

    Attributes:
        recipe: Name of the file in conf/.
        share: Of the budget, on CUDA and on a CPU.
        pairs: The set it is trained on; None reads the photographs.
        batch: Samples a step, on CUDA; on a CPU the recipe's own.
        own: Overrides of its own.
        again: Overrides with which it starts from the weights there are.
    """

    recipe: str
    share: tuple[float, float]
    pairs: str | None = None
    batch: int = 32
    own: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


BASIS = Stage("compact_autoencoder", (0, 0), own=("data=compact_photos",))
IMAGE = (
    Stage(
        "compact_srdm",
        (0.18, 0.35),
        "photos",
        own=("data=compact_photos", "data.turn=true"),
        again=(
            "model.srdm.branch.controller=${pretrained.controller}",
            "model.srdm.branch.denoiser=${pretrained.denoiser}",
        ),
    ),
    Stage("compact_truth", (0.62, 0.3), "photos", own=("data=compact_photos", "data.turn=true")),
)
MASK = (
    Stage(
        "compact_prior",
        (0.4, 0.1),
        "masks",
        own=("data=compact", "data.jitter=0.2"),
        again=("model.prior=${pretrained.prior}",),
    ),
    Stage(
        "compact_segdm",
        (0.4, 0.1),
        "masks",
        own=("data=compact", "data.jitter=0.2"),
        again=("model.branch.denoiser=${pretrained.seg_denoiser}",),
    ),
)
JOINT = Stage(
    "compact_joint",
    (0.2, 0.15),
    "masks",
    own=("data=compact", "data.jitter=0.2"),
    again=("model.bridge=${pretrained.bridge}",),
)


@dataclass(frozen=True)
class Pairs:
    """A set of pairs: whose recipe makes it, of what, and how large it is on CUDA and on a CPU."""

    recipe: str
    data: str
    count: tuple[int, int]


PAIRS = {
    "photos": Pairs("compact_srdm", "compact_photos", (20480, 2048)),
    "masks": Pairs("compact_prior", "compact", (10240, 2048)),
}


def main() -> None:
    """Run the stages that are not done, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="for training, all stages")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--teacher", type=Path, help="the file of tools/realesrgan_from_ncnn.py")
    parser.add_argument("--pairs", type=float, default=1.0, help="what their numbers are times")
    parser.add_argument("--vgg", type=Path, help="vgg_shift_tolerant.pth")
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a model folder to go on from")
    parser.add_argument(
        "--stages", nargs="+", help="recipes to run; all and the table if not given"
    )
    parser.add_argument("--override", nargs="+", default=[], help="of every recipe: key=value")
    arguments = parser.parse_args()
    run = Runner(arguments)
    run.begin()
    if arguments.device == "cuda":
        with ThreadPoolExecutor(2) as pool:
            for road in [pool.submit(run.road, stages) for stages in (IMAGE, MASK)]:
                road.result()
    else:
        run.road((*IMAGE, *MASK))
    run.road((JOINT,))
    if not arguments.stages:
        run.table()


class Runner:
    """Runs stages as processes of their own, or finds that they are done."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.cuda = arguments.device == "cuda"
        self.weights = arguments.out / "weights"
        self.pairs = arguments.out / "pairs"
        self.made: set[str] = set()
        self.runs = arguments.out / "runs" / f"round{arguments.round}"
        self.again = arguments.round > 1 or arguments.start is not None

    def begin(self) -> None:
        """See to the weights to start from: the basis of the autoencoder, or a model folder."""
        start = self.arguments.start
        if start is not None and not self.weights.exists():
            shutil.copytree(start, self.weights)
        elif not self.again:
            self.road((BASIS,))

    def road(self, stages: tuple[Stage, ...]) -> None:
        """Run `stages` one after the other.

        Raises:
            SystemExit: With the status of the stage that failed.
        """
        for stage in stages:
            chosen = self.arguments.stages is None or stage.recipe in self.arguments.stages
            if not chosen or (self.runs / stage.recipe / "done").exists():
                continue
            if stage.pairs is not None:
                self.make_pairs(stage.pairs)
            recipe = str(ROOT / "conf" / f"{stage.recipe}.yaml")
            overrides = self.overrides(stage)
            self.call(stage.recipe, ["-m", "segsr.cli", "fit", "-c", recipe, *overrides])
            (self.runs / stage.recipe / "done").touch()

    def make_pairs(self, name: str) -> None:
        """Write the pairs of a set that are missing, and the teacher's results."""
        arguments, pairs = self.arguments, PAIRS[name]
        count = round(arguments.pairs * pairs.count[0 if self.cuda else 1])
        if name in self.made:
            return
        recipe = str(ROOT / "conf" / f"{pairs.recipe}.yaml")
        given = ["-c", recipe, "--out", str(self.pairs / name), "--count", str(count)]
        given += ["--workers", str(os.cpu_count() or 1)]
        if arguments.teacher and name == "photos":
            given += ["--teacher", str(arguments.teacher), "--device", arguments.device]
        given += [f"data={pairs.data}", f"data.root={arguments.data}", f"data.crop_size={CROP}"]
        self.call(f"pairs_{name}", [str(ROOT / "tools" / "make_pairs.py"), *given])
        self.made.add(name)

    def table(self) -> None:
        """Measure the model on what it was not trained on; see benchmarks/compact.py."""
        arguments = self.arguments
        given = ["--data", str(arguments.data), "--model", str(self.weights)]
        given += ["--st-lpips", str(arguments.vgg), "--out", str(arguments.out / "table")]
        given += ["--teacher", str(arguments.teacher)] if arguments.teacher else []
        self.call("table", [str(ROOT / "benchmarks" / "compact.py"), *given])
        print((self.runs / "table.log").read_text())

    def call(self, name: str, command: list[str]) -> None:
        """Run Python with `command`, its output going to a log.

        Raises:
            SystemExit: With its status, if that is not 0.
        """
        print(name, flush=True)
        log = self.runs / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            finished = subprocess.run([sys.executable, *command], stdout=file, stderr=file)
        if finished.returncode:
            print("\n".join(log.read_text().strip().splitlines()[-12:]), file=sys.stderr)
            sys.exit(finished.returncode)

    def overrides(self, stage: Stage) -> list[str]:
        """Return the overrides of a stage's recipe."""
        arguments = self.arguments
        folder = self.runs / stage.recipe
        found = [f"run_dir={folder}", f"output={self.weights}", "trainer.limit_val_batches=0"]
        found += ["trainer.enable_progress_bar=false", "trainer.logger.tensorboard=null"]
        found += [f"data.root={arguments.data}", *stage.own]
        if stage.pairs is not None:
            minutes = arguments.minutes * stage.share[0 if self.cuda else 1]
            found += [f"trainer.callbacks.budget.minutes={minutes:.4f}", "trainer.max_steps=-1"]
            found += ["trainer.callbacks.budget.steps=null", f"weights={self.weights}"]
            found += ["trainer.callbacks.checkpoint.save_top_k=1", "data.passes=1000"]
            found += [f"data.pairs={(self.pairs / stage.pairs).resolve()}"]
            found += stage.again if self.again else ()
        if stage is IMAGE[0] and arguments.teacher:
            found.append("data.target=taught")
        if stage in (*IMAGE, JOINT) and arguments.vgg:
            found.append(f"vgg={arguments.vgg}")
        if self.cuda and stage.pairs is not None:
            found += ["trainer.accelerator=gpu", f"data.crop_size={CROP}"]
            found += [f"data.batch_size={stage.batch}", "trainer.benchmark=true"]
        if (folder / "checkpoints").is_dir():
            found.append("ckpt_path=last")
        return found + arguments.override


if __name__ == "__main__":
    main()
