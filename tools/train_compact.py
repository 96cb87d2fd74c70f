"""Train the compact model from nothing to its table: all stages, within a budget of minutes.

    python tools/train_compact.py --data DATA --out OUT --minutes 600 --device cpu \
        --teacher realesrgan_x4plus.safetensors --vgg vgg_shift_tolerant.pth

DATA holds labelmefacade/, camvid/, photos/ and extra/ (conf/data/compact*.yaml), and realsr/ for
the table. OUT/weights becomes the model folder, OUT/runs keeps every stage's curve and checkpoints.
Killed at any moment, the same command goes on: stages that are done are skipped, one that was begun
resumes. With --round 2 all stages are trained on from what round 1 left; --start takes the weights
of any model folder.

Each stage is `segsr fit` with a recipe of conf/. On CUDA the teacher runs along and the image's and
the mask's stages run side by side, since neither fills a device: Python's own time bounds both. On
a CPU the teacher's results are cached first (tools/teacher_pairs.py), and stages follow each other.
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


@dataclass(frozen=True)
class Stage:
    """A recipe, its share of the minutes and what it needs beside them.

    Attributes:
        recipe: Name of the file in conf/.
        share: Of the budget, on CUDA and on a CPU.
        data: Its data recipe.
        batch: Samples a step, on CUDA; on a CPU the recipe's own.
        workers: Sixteenths of the cores that degrade for it, on CUDA.
        again: Overrides with which it starts from the weights there are.
    """

    recipe: str
    share: tuple[float, float]
    data: str = "compact"
    batch: int = 32
    workers: int = 4
    again: tuple[str, ...] = ()


BASIS = Stage("compact_autoencoder", (0, 0), "compact_photos")
IMAGE = (
    Stage(
        "compact_srdm",
        (0.33, 0.35),
        "compact_photos",
        64,
        11,
        (
            "model.srdm.branch.controller=${pretrained.controller}",
            "model.srdm.branch.denoiser=${pretrained.denoiser}",
        ),
    ),
    Stage("compact_truth", (0.45, 0.25), "compact_photos", 64, 11),
)
MASK = (
    Stage("compact_prior", (0.39, 0.15), again=("model.prior=${pretrained.prior}",)),
    Stage(
        "compact_segdm", (0.39, 0.1), again=("model.branch.denoiser=${pretrained.seg_denoiser}",)
    ),
)
JOINT = Stage(
    "compact_joint", (0.22, 0.15), workers=14, again=("model.bridge=${pretrained.bridge}",)
)


def main() -> None:
    """Run the stages that are not done, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="for training, all stages")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--teacher", type=Path, help="the file of tools/realesrgan_from_ncnn.py")
    parser.add_argument("--pairs", type=int, default=1200, help="of the teacher, on a CPU")
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
            if stage is IMAGE[0] and self.arguments.teacher and not self.cuda:
                self.cache_teacher()
            recipe = str(ROOT / "conf" / f"{stage.recipe}.yaml")
            overrides = self.overrides(stage)
            self.call(stage.recipe, ["-m", "segsr.cli", "fit", "-c", recipe, *overrides])
            (self.runs / stage.recipe / "done").touch()

    def cache_teacher(self) -> None:
        """Write the teacher's results that are missing."""
        arguments = self.arguments
        options = {"data": arguments.data, "teacher": arguments.teacher, "out": self.pairs}
        given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        script = str(ROOT / "tools" / "teacher_pairs.py")
        self.call("teacher_pairs", [script, *given, "--count", str(arguments.pairs)])

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
        if stage is IMAGE[0] and arguments.teacher and not self.cuda:
            found += ["data=teacher_pairs", f"data.root={self.pairs}"]
        else:
            found += [f"data={stage.data}", f"data.root={arguments.data}"]
        if stage is IMAGE[0] and arguments.teacher and self.cuda:
            found.append(f"teacher={arguments.teacher}")
        if stage in (*IMAGE, JOINT) and arguments.vgg:
            found.append(f"vgg={arguments.vgg}")
        if stage.recipe != "compact_autoencoder":
            minutes = arguments.minutes * stage.share[0 if self.cuda else 1]
            found += [f"trainer.callbacks.budget.minutes={minutes:.4f}", "trainer.max_steps=-1"]
            found += ["trainer.callbacks.budget.steps=null", f"weights={self.weights}"]
            found += ["trainer.callbacks.checkpoint.save_top_k=1"]
            found += stage.again if self.again else ()
            found += self.on_cuda(stage) if self.cuda else []
        if (folder / "checkpoints").is_dir():
            found.append("ckpt_path=last")
        return found + arguments.override

    def on_cuda(self, stage: Stage) -> list[str]:
        """Return what fills a device and feeds it: large batches, and every core degrading."""
        cores = os.cpu_count() or 1
        return [
            "trainer.accelerator=gpu",
            "data.crop_size=256",
            f"data.batch_size={stage.batch}",
            f"data.num_workers={max(1, cores * stage.workers // 16)}",
            "data.degrade_in_workers=true",
            "data.passes=100",
        ]


if __name__ == "__main__":
    main()
