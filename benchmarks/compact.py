"""The numbers of the compact model's card, on photographs it was not trained on.

    python benchmarks/compact.py --data DATA --st-lpips vgg_shift_tolerant.pth --out RESULTS \
        [--model compact] [--only realsr camvid] [--every 1] [--seeds 3] [--teacher FILE] \
        [--methods "one step" "four steps"]

DATA holds realsr/, labelmefacade/, camvid/ and photos/ as conf/data/compact*.yaml describe them.

- `realsr`: RealSR's own 100 pairs, 128 to 512 px: bicubic, the image branch in one and in four
  steps, the joint model in four; with --teacher (tools/realesrgan_from_ncnn.py) Real-ESRGAN beside
  them. PSNR and SSIM on Y without border crop, ST-LPIPS, all on 8 bits; seconds per photograph.
- `labelmefacade`, `camvid`: the test list and all of the test folder, centre crops of 256 px,
  degraded by conf/degradation/street.yaml keyed by (0, file name). mIoU over the classes present:
  the LQ prior, SegDM alone (the bridge shut) and joint, four steps, and joint in one. Differences
  are means over the sampling seeds, with 95 % intervals of a paired bootstrap over the images. Of
  SegDM's masks: the share of pixels that is sure, and the accuracy there.
- `photos`: every fifth photograph of everything, held out: the share of pixels that is sure.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segsr.batch import IGNORE_INDEX, Batch
from segsr.classes import CLASSES
from segsr.data import ImageFolder, MaskedPairDataModule, PairDataModule
from segsr.degradation import recipe
from segsr.diffusion.noise import keyed
from segsr.metrics.bootstrap import paired_bootstrap
from segsr.metrics.confusion import confusion, mean_iou
from segsr.metrics.restoration import psnr_y, ssim_y
from segsr.metrics.st_lpips import load_weights, st_lpips
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import decode_mask, pillow_bicubic, to_canvas
from segsr.training.teacher import load_teacher
from segsr.vocabularies import CAMVID, LABELMEFACADE

ALONE = {"guidance": 0.0, "exchange": False}
SOURCES = {
    "realsr": [ImageFolder("realsr", "hr", lq="lr")],
    "labelmefacade": [
        ImageFolder("labelmefacade", "images", "labels", split="test.txt", class_map=LABELMEFACADE)
    ],
    "camvid": [ImageFolder("camvid/test", "images", "labels", class_map=CAMVID)],
    "photos": [ImageFolder("photos", name, every=5) for name in ("imagenet", "bsds")],
}


def loader(data: Path, name: str, every: int) -> Iterator[Batch]:
    """Yield the batches, of one photograph each, of every `every`-th photograph of a set."""
    cls = MaskedPairDataModule if name in ("labelmefacade", "camvid") else PairDataModule
    module = cls(
        root=data,
        test=SOURCES[name],
        eval_crop=None if name == "realsr" else 256,
        seed=0,
        degradation=recipe("street"),
    )
    module.setup("test")
    for i, batch in enumerate(module.test_dataloader()):
        if i % every == 0:
            yield module.on_after_batch_transfer(batch)


def restore(model: JointModel, batch: Batch, seed: int, **options) -> tuple[Tensor, ...]:
    """Return the restored image, its classes, and where they are sure, of a batch of one."""
    chosen = SamplingOptions(**options)
    conditions = model.read(to_canvas(batch["lq"]))
    *_, last = model.sample(conditions, keyed(seed, batch["name"][0]), chosen)
    return model.decode(last, conditions, chosen)


def measure_images(
    model: JointModel,
    photographs: Iterator[Batch],
    weights: dict[str, Tensor],
    teacher: Callable[[Tensor], Tensor] | None,
    names: list[str] | None,
) -> dict:
    """Return means by method of PSNR, SSIM, ST-LPIPS and seconds."""

    def alone(batch: Batch, steps: int) -> Tensor:
        noise = keyed(0, batch["name"][0])
        return model.image.restore(to_canvas(batch["lq"]), noise, SamplingOptions(steps=steps))

    methods: dict[str, Callable[[Batch], Tensor]] = {
        "bicubic": lambda batch: pillow_bicubic(batch["lq"]),
        "one step": lambda batch: alone(batch, 1),
        "four steps": lambda batch: alone(batch, 4),
        "joint, one step": lambda b: restore(model, b, 0, steps=1)[0],
        "joint, four steps": lambda b: restore(model, b, 0, steps=4)[0],
    }
    if teacher is not None:
        methods["Real-ESRGAN"] = lambda batch: teacher(batch["lq"])
    methods = {name: methods[name] for name in names or methods}
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for batch in photographs:
        for name, method in methods.items():
            begin = time.perf_counter()
            image = method(batch)
            seconds = time.perf_counter() - begin
            pair = ((image.clamp(0, 1) * 255).round() / 255, batch["hq"])
            scores = psnr_y(*pair), ssim_y(*pair), st_lpips(*pair, weights)
            rows[name].append([*(float(score) for score in scores), seconds])
    columns = ("psnr", "ssim", "st_lpips", "seconds")
    result: dict = {}
    for name, values in rows.items():
        result["images"] = len(values)
        for column, value in zip(columns, np.array(values).T, strict=True):
            middle = np.median(value) if column == "seconds" else np.mean(value)
            result[f"{name} {column}"] = float(middle)
    for name in ("one step", "four steps"):
        if {name, "bicubic"} <= rows.keys():
            scores = (np.array(rows[key])[:, 2] for key in (name, "bicubic"))
            result[f"{name} - bicubic st_lpips"] = list(paired_bootstrap(*scores))
    return result


def counts(mask: Tensor, truth: Tensor) -> np.ndarray:
    """Return the confusion matrix of a batch of one."""
    return confusion(mask, truth, len(CLASSES))[0].numpy()


def miou_difference(a: np.ndarray, b: np.ndarray, resamples: int = 2000) -> list[float]:
    """Return b's mIoU minus a's, and its 95 % interval over resampled images.

    Args:
        a: Confusion matrices (seeds, images, K, K).
        b: The other method's.
        resamples: Bootstrap samples.
    """

    def miou(matrices: np.ndarray) -> float:
        return float(np.mean([mean_iou(torch.from_numpy(m.sum(0))) for m in matrices]))

    rng = np.random.default_rng(0)
    n = a.shape[1]
    drawn = [rng.integers(n, size=n) for _ in range(resamples)]
    differences = [miou(b[:, i]) - miou(a[:, i]) for i in drawn]
    return [miou(b) - miou(a), *map(float, np.quantile(differences, [0.025, 0.975]))]


MASKS = {
    "alone": {**ALONE, "steps": 4},
    "joint": {"steps": 4},
    "joint, one step": {"steps": 1},
}


def measure_masks(model: JointModel, photographs: Iterator[Batch], seeds: int) -> dict:
    """Return mIoU by method, its differences, and how much of each mask is sure and right."""
    matrices: dict[str, list] = defaultdict(list)
    psnr: dict[str, list] = defaultdict(list)
    sure: dict[str, list] = defaultdict(list)
    for batch in photographs:
        truth, hq = batch["mask"], batch["hq"]
        prior = decode_mask(model.mask.read(to_canvas(batch["lq"])).logits, model.mask.factor)
        matrices["prior"].append([counts(prior, truth)] * seeds)
        psnr["bicubic"].append(float(psnr_y(pillow_bicubic(batch["lq"]), hq)))
        for method, options in MASKS.items():
            found = [restore(model, batch, seed, **options) for seed in range(seeds)]
            matrices[method].append([counts(classes, truth) for _, classes, _ in found])
            psnr[method].append(np.mean([float(psnr_y(image, hq)) for image, _, _ in found]))
            _, classes, certain = found[0]
            known = truth != IGNORE_INDEX
            right = certain & known & (classes == truth)
            sure[method].append([int(x.sum()) for x in (certain, certain & known, right)])
        pixels = len(psnr["bicubic"]) * truth.numel()
    stacked = {key: np.array(value).swapaxes(0, 1) for key, value in matrices.items()}
    result: dict = {"images": len(psnr["bicubic"])}
    for key, value in stacked.items():
        ious = [float(mean_iou(torch.from_numpy(m.sum(0)))) for m in value]
        result[f"{key} miou"] = float(np.mean(ious))
        result[f"{key} accuracy"] = float(np.trace(value.sum((0, 1))) / value.sum())
    for key, value in psnr.items():
        result[f"{key} psnr"] = float(np.mean(value))
    for key, value in sure.items():
        certain, known, right = np.sum(value, 0)
        result[f"{key} sure share"] = float(certain / pixels)
        result[f"{key} accuracy where sure"] = float(right / max(1, known))
    for key in MASKS:
        result[f"{key} - prior miou"] = miou_difference(stacked["prior"], stacked[key])
    result["joint - alone miou"] = miou_difference(stacked["alone"], stacked["joint"])
    result["joint - alone psnr"] = list(paired_bootstrap(psnr["joint"], psnr["alone"]))
    return result


def measure_doubt(model: JointModel, photographs: Iterator[Batch]) -> dict:
    """Return the share of pixels whose class the joint model is sure of."""
    shares = [float(restore(model, batch, 0)[2].float().mean()) for batch in photographs]
    return {"images": len(shares), "sure share": float(np.mean(shares))}


def main() -> None:
    """Measure, write a file per set, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--st-lpips", type=Path, required=True)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--methods", nargs="+", help="of RealSR's; all if not given")
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--every", type=int, default=1, help="take every N-th photograph")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="folder for SET.json")
    arguments = parser.parse_args()
    model = JointModel.from_pretrained(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        photographs = loader(arguments.data, name, arguments.every)
        if name == "realsr":
            weights, teacher = load_weights(arguments.st_lpips), load_teacher(arguments.teacher)
            given = {"weights": weights, "teacher": teacher, "names": arguments.methods}
            measure = partial(measure_images, **given)
        elif name == "photos":
            measure = measure_doubt
        else:
            measure = partial(measure_masks, seeds=arguments.seeds)
        result = measure(model, photographs)
        (arguments.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        for key, value in result.items():
            print(f"{name:14} {key:32} {value}", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
