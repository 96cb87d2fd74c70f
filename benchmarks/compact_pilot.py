"""The numbers of the compact model's card, on held-out photographs.

    python benchmarks/compact_pilot.py --data DATA --st-lpips vgg_shift_tolerant.pth --out RESULTS \
        [--model compact] [--set labelmefacade] [--every 1] [--seeds 3] [--joint-only]

DATA holds labelmefacade/, camvid/ and realsr/ as conf/data/*.yaml describe them. Protocol:
LabelMeFacade's test list and CamVid's test folder (`--every 8`), centre crops of 256 px,
degraded by conf/degradation/first_order.yaml keyed by (0, file name); RealSR's own pairs, whole.
Every method restores from the same LQ; SRDM alone and SegDM alone are the joint model with the
bridge shut. PSNR and SSIM on Y without border crop; ST-LPIPS on sampling seed 0; mIoU over the
classes present. Differences are means over the sampling seeds, with 95 % intervals of a paired
bootstrap over the images.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segsr import JointSegSR
from segsr.batch import IGNORE_INDEX, Batch
from segsr.classes import CLASSES
from segsr.config import build, load_config
from segsr.data import ImageFolder, MaskedPairDataModule, PairDataModule
from segsr.metrics.bootstrap import paired_bootstrap
from segsr.metrics.restoration import psnr_y, ssim_y
from segsr.metrics.segmentation import mean_iou
from segsr.metrics.st_lpips import STLPIPS
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.resize_codec import decode_mask, enlarge
from segsr.seeding import generator
from segsr.vocabularies import CAMVID, LABELMEFACADE

ALONE = {"guidance": 0.0, "exchange": False}


def loader(data: Path, name: str, every: int):
    """Yield the batches, of one photograph each, of every `every`-th photograph of a test set."""
    sources = {
        "labelmefacade": ImageFolder(
            "labelmefacade", "images", "labels", split="test.txt", class_map=LABELMEFACADE
        ),
        "camvid": ImageFolder("camvid/test", "images", "labels", class_map=CAMVID),
        "realsr": ImageFolder("realsr", "hr", lq="lr"),
    }
    cls = PairDataModule if name == "realsr" else MaskedPairDataModule
    crop = None if name == "realsr" else 256
    degradation = build(load_config(None, ["degradation=first_order"]).degradation)
    module = cls(root=data, test=[sources[name]], eval_crop=crop, seed=0, degradation=degradation)
    module.setup("test")
    for i, batch in enumerate(module.test_dataloader()):
        if i % every == 0:
            yield module.on_after_batch_transfer(batch)


def confusion(mask: Tensor, truth: Tensor) -> np.ndarray:
    """Return pixel counts, true class by row."""
    known = truth != IGNORE_INDEX
    pairs = truth[known] * len(CLASSES) + mask[known]
    return torch.bincount(pairs, minlength=len(CLASSES) ** 2).view(len(CLASSES), -1).numpy()


def restore(model: JointSegSR, batch: Batch, seed: int, **options) -> tuple[Tensor, Tensor]:
    """Return the restored image and mask of a batch of one."""
    conditions = model.read_lq(batch["lq"])
    *_, last = model.sample(conditions, [generator(seed, batch["name"][0])], **options)
    return model.decode(last, conditions)


def miou_difference(a: np.ndarray, b: np.ndarray, resamples: int = 2000) -> tuple[float, ...]:
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
    return miou(b) - miou(a), *np.quantile(differences, [0.025, 0.975])


def measure(
    model: JointSegSR,
    photographs: Iterable[Batch],
    lpips: STLPIPS | None,
    seeds: int,
    methods: Sequence[str],
) -> dict:
    """Return the summary of one test set."""
    scores: dict[str, list] = defaultdict(list)
    matrices: dict[str, list] = defaultdict(list)
    names = []
    autoencoder: Autoencoder = model.srdm.autoencoder
    for batch in photographs:
        names.append(batch["name"][0])
        hq = batch["hq"]
        codec = autoencoder.decode(autoencoder.encode(hq)).clamp(0, 1)
        scores["autoencoder psnr"].append(float(psnr_y(codec, hq)))
        results = {"bicubic": [(enlarge(batch["lq"]), None)]}
        for method in methods:
            options = ALONE if method == "alone" else {}
            results[method] = [restore(model, batch, seed, **options) for seed in range(seeds)]
        if "mask" in batch:
            prior = decode_mask(model.segdm.read_lq(batch["lq"]).logits, model.segdm.factor)
            matrices["prior"].append([confusion(prior, batch["mask"])])
        for method, found in results.items():
            scores[f"{method} psnr"].append([float(psnr_y(image, hq)) for image, _ in found])
            scores[f"{method} ssim"].append([float(ssim_y(image, hq)) for image, _ in found])
            if lpips is not None:
                lpips.reset()
                lpips.update(found[0][0], hq)
                scores[f"{method} st_lpips"].append(float(lpips.compute()))
            if "mask" in batch and method != "bicubic":
                matrices[method].append([confusion(mask, batch["mask"]) for _, mask in found])
    summary = {key: float(np.mean(values)) for key, values in scores.items()}
    summary["images"] = len(names)
    psnr = {method: np.mean(scores[f"{method} psnr"], axis=1) for method in results}
    stacked = {key: np.array(value).swapaxes(0, 1) for key, value in matrices.items()}
    for key, value in stacked.items():
        ious = [float(mean_iou(torch.from_numpy(m.sum(0)))) for m in value]
        summary[f"{key} miou"] = float(np.mean(ious))
    for other in (method for method in results if method != "joint"):
        summary[f"joint - {other} psnr"] = list(paired_bootstrap(psnr["joint"], psnr[other]))
    if stacked:
        stacked["prior"] = np.repeat(stacked["prior"], seeds, axis=0)
        for other in (key for key in stacked if key != "joint"):
            summary[f"joint - {other} miou"] = miou_difference(stacked[other], stacked["joint"])
    return {**summary, "names": names}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--st-lpips", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--set", action="append", help="labelmefacade, camvid, realsr; all if none")
    parser.add_argument("--every", type=int, default=1, help="take every N-th photograph")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--joint-only", action="store_true", help="leave out the shut bridge")
    parser.add_argument("--out", type=Path, required=True, help="folder for SET.json")
    arguments = parser.parse_args()
    model = JointSegSR.from_pretrained(arguments.model)
    lpips = STLPIPS(arguments.st_lpips) if arguments.st_lpips else None
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.set or ["labelmefacade", "camvid", "realsr"]:
        photographs = loader(arguments.data, name, arguments.every)
        methods = ("joint",) if arguments.joint_only else ("alone", "joint")
        result = measure(model, photographs, lpips, arguments.seeds, methods)
        (arguments.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        for key, value in result.items():
            if key != "names":
                print(f"{name:14} {key:24} {value}", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
