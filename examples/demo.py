"""Restore a real photograph with the weights in the package, offline, and look at the result.

A sample photograph of 512 px is degraded to 128 px, restored to 512 px, and put beside its bicubic
enlargement and the truth.
"""

import argparse
import time
from pathlib import Path

import torch

from segsr import JointSegSR
from segsr.degradation import recipe
from segsr.files.mask import write_mask
from segsr.files.photo import read_photo, write_photo
from segsr.metrics.restoration import psnr_y
from segsr.nets.resize_codec import pillow_bicubic
from segsr.samples import samples_folder
from segsr.seeding import generator
from segsr.tasks.pictures import colours, panel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--photo", default="friends", help="stem of a sample photograph")
    arguments = parser.parse_args()

    photos = {path.stem: path for path in sorted((samples_folder() / "images").glob("*.jpg"))}
    path = photos[arguments.photo]
    hq = read_photo(path).image
    degradation = recipe("first_order")
    lq = degradation(hq[None], [generator(0, "degrade", path.name)])[1][0]

    model = JointSegSR.from_pretrained("compact")
    begin = time.perf_counter()
    restoration = model.restore(lq, seed=0)
    seconds = time.perf_counter() - begin

    bicubic = pillow_bicubic(lq[None])[0]
    out: Path = arguments.out
    write_photo(out / f"{path.stem}_lq.png", lq)
    write_photo(out / f"{path.stem}_restored.png", restoration.image)
    write_mask(out / f"{path.stem}_mask.png", restoration.mask)
    mask = colours(restoration.mask)
    write_photo(out / f"{path.stem}_panel.png", panel([bicubic, restoration.image, hq, mask]))

    truth = hq[None]
    scores = [float(psnr_y(image[None], truth)) for image in (bicubic, restoration.image)]
    width, height = lq.shape[-1], lq.shape[-2]
    print(f"{path.name}: {width}x{height} -> {4 * width}x{4 * height} in {seconds:.1f} s")
    print(f"PSNR (Y): bicubic {scores[0]:.2f} dB, restored {scores[1]:.2f} dB")
    print(f"{out / f'{path.stem}_panel.png'}: bicubic | restored | truth | estimated mask")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
