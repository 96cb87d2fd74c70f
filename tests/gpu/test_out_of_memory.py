"""A photograph that does not fit is reported, and the folder's others are restored."""

from __future__ import annotations

import pytest
import tiny
import torch

from segsr.cli.bar import Bar
from segsr.inference.upscale import Summary, upscale_files
from segsr.nets.image_denoiser import ImageDenoiser

TOO_MUCH = 2**50
"""Bytes that no device has."""
DEVICE = "the device ran out of memory over tiles of 256 px"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny.joint(seed=1).save_pretrained(folder)
    return str(folder)


def upscale(model, folder, picture, monkeypatch, exhaust, device="cpu") -> Summary:
    """Restores two small photographs and a large one between them, at which `exhaust` is called."""
    for name, side in (("a", 16), ("large", 64), ("z", 16)):
        picture(folder / "in" / f"{name}.png", side, side)
    forward = ImageDenoiser.forward

    def hungry(self, latents, *arguments, **options):
        if latents.shape[-1] > 32:
            exhaust(latents)
        return forward(self, latents, *arguments, **options)

    monkeypatch.setattr(ImageDenoiser, "forward", hungry)
    with Bar() as bar:
        return upscale_files(
            [folder / "in"], folder / "out", model=model, device=device, progress=bar
        )


def check(summary, folder, capsys, said) -> None:
    assert [path.name for path in summary.restored] == ["a.png", "z.png"]
    (reason,) = summary.errors.values()
    assert reason.startswith(said)
    assert not list((folder / "out").glob("large*"))
    assert "large.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), DEVICE),
        (
            RuntimeError("alloc_cpu.cpp: DefaultCPUAllocator: can't allocate memory"),
            "not enough memory",
        ),
    ],
)
def test_what_does_not_fit_is_reported_and_the_rest_is_restored(
    error, said, model, tmp_path, picture, monkeypatch, capsys
) -> None:
    def exhaust(latents):
        raise error

    check(upscale(model, tmp_path, picture, monkeypatch, exhaust), tmp_path, capsys, said)


@pytest.mark.gpu
def test_the_devices_own_lack_of_memory(
    device, model, tmp_path, picture, monkeypatch, capsys
) -> None:
    if device.type == "cpu":
        pytest.skip("the CPU's allocator raises no OutOfMemoryError")

    def exhaust(latents):
        torch.empty(TOO_MUCH, dtype=torch.uint8, device=latents.device)

    found = upscale(model, tmp_path, picture, monkeypatch, exhaust, device.type)
    check(found, tmp_path, capsys, DEVICE)
