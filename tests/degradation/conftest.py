from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from segsr import degradation
from segsr.samples import samples_folder
from segsr.seeding import generator

DRAWS = 2000


@pytest.fixture(scope="session")
def photos():
    """Three real photographs, (1, 3, H, W) each, of sizes that are no multiples of 16."""
    names = ("astronaut", "friends", "picos")
    opened = [Image.open(samples_folder() / "images" / f"{name}.jpg") for name in names]
    return [
        torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None, :, :397, :501] / 255
        for image in opened
    ]


@pytest.fixture(scope="session")
def recipe():
    """Builds a packaged degradation by name."""
    return lambda name, *more: degradation.recipe(name, more)


@pytest.fixture(scope="session")
def drawn(recipe):
    """2,000 draws of the strong recipe, by stage; the finish by its parts."""
    pipeline = recipe("real_esrgan")
    samples = [pipeline.draw(generator(0, "distribution", i)) for i in range(DRAWS)]
    stages = {name: [sample[name] for sample in samples] for name in pipeline.stages}
    finish = stages["finish"]
    return stages | {
        "shrink": [each["first"]["shrink"] for each in finish],
        "sinc": [each["first"]["sinc"] for each in finish],
        "jpeg2": [each["second"]["jpeg2"] for each in finish],
    }
