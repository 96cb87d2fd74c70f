"""The pictures of the site and the README, from the sample photographs and the packaged weights.

    python tools/site_pictures.py

A sample of 512 px is degraded to 128 px (`first_order`), restored with `compact` (seed 0), and put
beside its bicubic enlargement. The mask of the last picture is given, not estimated: the sample's
own, drawn by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from segsr import SegSRPipeline
from segsr.degradation import recipe
from segsr.files.atomic import write_atomic
from segsr.files.mask import read_mask
from segsr.files.photo import read_photo
from segsr.nets.resize_codec import pillow_bicubic
from segsr.palette import colourise
from segsr.samples import samples_folder
from segsr.seeding import generator

OUT = Path(__file__).parents[1] / "docs" / "pictures"
PHOTOS = ("friends", "picos", "astronaut")
"""What the home page shows."""
STEERED = "friends"
"""What the page about masks shows, and the README: before, after, mask."""
WEAKER = "friends"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What the page about strength shows, of 192 px each."""
QUALITY = 82


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """File names and pictures, one after the other."""
    pipeline = SegSRPipeline.from_pretrained("compact")
    pipeline.set_progress_bar_config(disable=True)
    for name in PHOTOS:
        hq = read_photo(samples_folder() / "images" / f"{name}.jpg").image
        lq = recipe("first_order")(hq[None], [generator(0, "degrade", f"{name}.jpg")])[1]
        restored = pipeline(lq[0], seed=0)
        yield f"{name}-before.webp", as_picture(pillow_bicubic(lq)[0])
        yield f"{name}-after.webp", as_picture(restored.image)
        if name == WEAKER:
            row = [
                pipeline(lq[0], seed=0, strength=x).image[:, 100:292, 130:322] for x in STRENGTHS
            ]
            yield f"{name}-strength.webp", as_picture(torch.cat(row, 2))
        if name == STEERED:
            mask = overlaid(restored.image, read_mask(samples_folder() / "masks" / f"{name}.png"))
            yield f"{name}-mask.webp", mask
            pair = [as_picture(pillow_bicubic(lq)[0]), as_picture(restored.image)]
            yield f"{name}-row.webp", beside([*pair, mask])


def as_picture(image: Tensor) -> Image.Image:
    """An image in [0, 1], (3, H, W), as Pillow's."""
    return Image.fromarray((255 * image.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy())


def overlaid(image: Tensor, mask: Tensor, share: float = 0.6) -> Image.Image:
    """A photograph with so large a share of its mask's colours; unknown pixels as they are."""
    photo, colours = as_picture(image), Image.fromarray(colourise(mask))
    known = Image.fromarray(((mask != 255).numpy() * round(255 * share)).astype("uint8"))
    return Image.composite(colours, photo, known)


def beside(row: Sequence[Image.Image], side: int = 384, gap: int = 6) -> Image.Image:
    """Square pictures in a row, so many pixels a side, on transparent ground."""
    width = len(row) * side + (len(row) - 1) * gap
    whole = Image.new("RGBA", (width, side), (0, 0, 0, 0))
    for number, picture in enumerate(row):
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
        whole.paste(small, (number * (side + gap), 0))
    return whole


def encoded(picture: Image.Image) -> bytes:
    """A picture as WebP."""
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out: Path = parser.parse_args().out
    torch.set_grad_enabled(False)
    for file, picture in pictures():
        write_atomic(out / file, encoded(picture))
        print(out / file)
