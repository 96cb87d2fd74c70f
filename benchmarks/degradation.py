"""Images per second of the Real-ESRGAN recipe: segsr's batches against a numpy/OpenCV loop.

    pip install opencv-python-headless scipy
    python benchmarks/degradation.py PHOTOS [--count 64] [--batch 8] [--threads 1 2]

Both degrade the same centre crops with the same drawn parameters (the recipe of
conf/degradation/real_esrgan.yaml) in one process, in turns, on the same cores. The loop is what
public training code does to one image at a time: kernels by numpy, filtering, resizing and JPEG by
OpenCV, noise by numpy.random. Prints images per second, their ratio, and what each stage takes.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.special import j1
from torch import Tensor

from segsr.degradation import Pipeline, ops, recipe
from segsr.files.find import find_images
from segsr.files.pixels import read_image
from segsr.seeding import generator

INTERPOLATION = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def main() -> None:
    """The whole comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photographs of 512 px and more")
    parser.add_argument("--count", type=int, default=64, help="photographs to degrade")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=512, help="side of the centre crops")
    parser.add_argument("--rounds", type=int, default=3, help="the median round counts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, torch.get_num_threads()])
    arguments = parser.parse_args()

    pipeline = recipe("real_esrgan")
    hq = read_crops(arguments.photos, arguments.count, arguments.size)
    params = [pipeline.draw(generator(0, "benchmark", i)) for i in range(len(hq))]
    print(f"{len(hq)} photographs of {arguments.size} px, batches of {arguments.batch}, seed 0")
    for threads in sorted(set(arguments.threads)):
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(arguments.rounds + 1):  # in turns, the first round warms up
            seconds["numpy/OpenCV"].append(clock(lambda: loop(hq, params)))
            seconds["segsr"].append(clock(lambda: batches(pipeline, hq, params, arguments.batch)))
        rates = {name: len(hq) / float(np.median(s[1:])) for name, s in seconds.items()}
        ratio = rates["segsr"] / rates["numpy/OpenCV"]
        print(f"\n{threads} thread(s):", end=" ")
        print(", ".join(f"{name} {rate:.1f} images/s" for name, rate in rates.items()), end="")
        print(f", ratio {ratio:.2f}")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print()
    print_shares("numpy/OpenCV", loop_shares(hq, params), len(hq))
    print_shares("segsr", pipeline_shares(pipeline, hq, params), len(hq))


def print_shares(name: str, seconds: dict[str, float], count: int) -> None:
    """One line: milliseconds an image on one thread, and of them by stage."""
    parts = ", ".join(f"{stage} {1000 * part / count:.1f}" for stage, part in seconds.items())
    print(
        f"{name}, ms an image on one thread: {1000 * sum(seconds.values()) / count:.1f} = {parts}"
    )


def read_crops(folder: Path, count: int, size: int) -> Tensor:
    """`count` centre crops (N, 3, size, size) in [0, 1], photographs repeated if need be."""
    crops = []
    for path in find_images(folder):
        photo = read_image(path)
        top, left = ((side - size) // 2 for side in photo.shape[1:])
        if min(top, left) >= 0:
            crops.append(photo[:, top : top + size, left : left + size])
    if not crops:
        raise SystemExit(f"no photograph of {size} px or more in {folder}")
    return torch.stack([crops[i % len(crops)] for i in range(count)]).float() / 255


def clock(act: Callable[[], object]) -> float:
    """Seconds that `act` takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def batches(pipeline: Pipeline, hq: Tensor, params: list[dict], size: int) -> None:
    """Ours: batch by batch."""
    for start in range(0, len(hq), size):
        pipeline.apply(hq[start : start + size], params[start : start + size])


def pipeline_shares(pipeline: Pipeline, hq: Tensor, params: list[dict]) -> dict:
    """Seconds of each stage."""
    seconds: dict[str, float] = defaultdict(float)
    lq_size = (hq.shape[2] // 4, hq.shape[3] // 4)
    for image, drawn in zip(hq, params, strict=True):
        begin = time.perf_counter()
        images = [ops.sharpen(image[None])[0]]
        seconds["sharpen"] += time.perf_counter() - begin
        for name, stage in pipeline.stages.items():
            begin = time.perf_counter()
            images = stage.apply(images, [drawn[name]], lq_size)
            seconds[name] += time.perf_counter() - begin
    return seconds


def loop(hq: Tensor, params: list[dict]) -> None:
    """Theirs: image by image."""
    for image, drawn in zip(hq, params, strict=True):
        degrade_one(image.permute(1, 2, 0).contiguous().numpy(), drawn, defaultdict(float))


def loop_shares(hq: Tensor, params: list[dict]) -> dict:
    """Seconds of each stage."""
    seconds: dict[str, float] = defaultdict(float)
    for image, drawn in zip(hq, params, strict=True):
        degrade_one(image.permute(1, 2, 0).contiguous().numpy(), drawn, seconds)
    return seconds


def degrade_one(image: np.ndarray, drawn: dict, seconds: dict) -> np.ndarray:
    """One image (H, W, 3) in [0, 1] through the recipe, the way public code goes about it."""
    height, width = image.shape[:2]
    lq_size = (width // 4, height // 4)
    finish = drawn["finish"]

    def shrunk(x: np.ndarray) -> np.ndarray:
        return cv2.resize(
            x, lq_size, interpolation=INTERPOLATION[finish["first"]["shrink"]["mode"]]
        )

    def final_sinc(x: np.ndarray) -> np.ndarray:
        return filtered(x, finish["first"]["sinc"])

    def final_jpeg(x: np.ndarray) -> np.ndarray:
        return compressed(x, finish["second"]["jpeg2"])

    tail = (
        [shrunk, final_sinc, final_jpeg] if finish["in_order"] else [final_jpeg, shrunk, final_sinc]
    )
    steps = [
        ("sharpen", sharpened),
        ("blur1", lambda x: filtered(x, drawn["blur1"])),
        ("resize1", lambda x: scaled(x, (width, height), drawn["resize1"])),
        ("noise1", lambda x: noisy(x, drawn["noise1"])),
        ("jpeg1", lambda x: compressed(x, drawn["jpeg1"])),
        ("blur2", lambda x: filtered(x, drawn["blur2"])),
        ("resize2", lambda x: scaled(x, lq_size, drawn["resize2"])),
        ("noise2", lambda x: noisy(x, drawn["noise2"])),
        *(("finish", step) for step in tail),
    ]
    for name, step in steps:
        begin = time.perf_counter()
        image = step(image)
        seconds[name] += time.perf_counter() - begin
    return np.clip((image * 255).round(), 0, 255) / 255


def sharpened(image: np.ndarray) -> np.ndarray:
    """Unsharp masking of what has detail."""
    residual = image - cv2.GaussianBlur(image, (51, 51), 0)
    mask = (np.abs(residual) * 255 > 10).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (51, 51), 0)
    sharp = np.clip(image + 0.5 * residual, 0, 1)
    return soft * sharp + (1 - soft) * image


def scaled(image: np.ndarray, base: tuple[int, int], drawn: dict) -> np.ndarray:
    """Resized by the factor that was drawn."""
    size = tuple(max(1, int(side * drawn["scale"])) for side in base)
    return cv2.resize(image, size, interpolation=INTERPOLATION[drawn["mode"]])


def filtered(image: np.ndarray, drawn: dict) -> np.ndarray:
    """Filtered by the kernel that was drawn."""
    if drawn["kernel"] == "none":
        return image
    size, reach = drawn["size"], drawn["size"] // 2
    axis = np.arange(-reach, reach + 1.0)
    x, y = np.meshgrid(axis, axis)
    if drawn["kernel"] == "sinc":
        radius, w = np.hypot(x, y), drawn["cutoff"]
        radius[reach, reach] = 1
        kernel = w * j1(w * radius) / (2 * np.pi * radius)
        kernel[reach, reach] = w**2 / (4 * np.pi)
    else:
        turn = drawn["theta"]
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        scale = np.diag([drawn["sigma_x"] ** 2, drawn["sigma_y"] ** 2])
        inverse = np.linalg.inv(rotation @ scale @ rotation.T)
        points = np.stack([x, y], axis=-1)
        q = np.einsum("...i,ij,...j", points, inverse, points)
        if drawn["kernel"].startswith("plateau"):
            kernel = 1 / (1 + q ** drawn["beta"])
        else:
            kernel = np.exp(-(q ** drawn.get("beta", 1.0)) / 2)
    assert kernel.shape == (size, size)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def noisy(image: np.ndarray, drawn: dict) -> np.ndarray:
    """With Gaussian or Poisson noise."""
    if drawn["noise"] == "gaussian":
        shape = image.shape[:2] + ((1,) if drawn["grey"] else (3,))
        noise = drawn["sigma"] * np.random.randn(*shape).astype(np.float32)  # noqa: NPY002
        return np.clip(image + noise, 0, 1)
    seen = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] if drawn["grey"] else image
    seen = np.clip((seen * 255).round(), 0, 255) / 255
    values = 2 ** np.ceil(np.log2(len(np.unique(seen))))
    counts = np.random.poisson(seen * values)  # noqa: NPY002
    noise = counts.astype(np.float32) / np.float32(values) - seen
    return np.clip(image + drawn["scale"] * noise, 0, 1).astype(np.float32)


def compressed(image: np.ndarray, drawn: dict) -> np.ndarray:
    """Through libjpeg and back."""
    pixels = np.clip((image * 255).round(), 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(drawn["quality"])]
    _, encoded = cv2.imencode(".jpg", pixels, quality)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR).astype(np.float32) / 255


if __name__ == "__main__":
    main()
