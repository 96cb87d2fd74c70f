"""The device that the CPU is compared with: CUDA's; SEGSR_GPU_DEVICE=cpu tries the tests here."""

from __future__ import annotations

import os

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from segsr.samples import samples_folder

DEVICE = os.environ.get("SEGSR_GPU_DEVICE", "cuda")  # before `alone` takes it away


@pytest.fixture
def device():
    """The device under test, in exact float32: without TF32."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here; SEGSR_GPU_DEVICE=cpu runs this test on the CPU")
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield torch.device(DEVICE)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(scope="session")
def photo():
    """A crop of a sample photograph, uint8 (3, 256, 256)."""
    image = Image.open(samples_folder() / "images" / "astronaut.jpg").convert("RGB")
    return pil_to_tensor(image)[:, :256, 128:384]
