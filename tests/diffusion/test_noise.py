"""Noise by position: windows of one field, whatever is drawn beside them."""

import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from segsr.diffusion.joint_sampler import image_step, mask_step
from segsr.diffusion.noise import BLOCK, ROWS, Noise, keyed
from segsr.diffusion.schedules import linear_abar
from segsr.diffusion.state import Window

TALL, WIDE = 3 * BLOCK + 5, 2 * BLOCK + 7
WINDOWS = [
    Window(0, 0, TALL, WIDE),
    Window(10, 40, 20, 25),
    Window(BLOCK, BLOCK, BLOCK, BLOCK),
    Window(BLOCK - 1, 0, 2, WIDE),
    Window(TALL - 1, WIDE - 1, 1, 1),
]
KINDS = {
    "normal": lambda noise, h, w: noise.normal((3, h, w), "latents", 7),
    "uniform": lambda noise, h, w: noise.uniform((3, h, w), "mask", 7),
    "classes": lambda noise, h, w: noise.classes(34, (h, w), "mask"),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_window_has_the_noise_of_its_place(kind, window) -> None:
    draw, noise = KINDS[kind], Noise([(0, "a.jpg"), (0, "b.jpg")])
    whole = draw(noise, TALL, WIDE)
    part = draw(noise.moved(window.top, window.left), window.height, window.width)
    assert torch.equal(part, window.of(whole))


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_has_its_noise_in_any_batch(kind) -> None:
    draw, keys = KINDS[kind], [(0, "a.jpg"), (0, "b.jpg"), (1, "a.jpg")]
    together = draw(Noise(keys), 40, 40)
    for key, drawn in zip(keys, together, strict=True):
        assert torch.equal(draw(keyed(*key), 40, 40)[0], drawn)
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together[0], together[2])


def test_noise_is_white_also_across_blocks() -> None:
    x = keyed(0).normal((4, 512, 512), "latents")[0]
    assert abs(float(x.mean())) < 4 / 1024
    assert abs(float(x.std()) - 1) < 4 / 1024
    for shift in ((0, 1), (1, 0), (0, BLOCK), (BLOCK, BLOCK)):
        shifted = torch.roll(x, shift, (1, 2))
        assert abs(float((x * shifted).mean())) < 5 / 1024
    assert abs(float((x * keyed(0).normal((4, 512, 512), "latents", 5)[0]).mean())) < 5 / 1024
    u = keyed(0).uniform((1, 512, 512), "mask")
    assert abs(float(u.mean()) - 0.5) < 4 * (1 / 12) ** 0.5 / 512
    classes = keyed(0).classes(34, (512, 512), "mask").flatten()
    assert torch.bincount(classes, minlength=34).min() > 512 * 512 / 34 * 0.95


@pytest.mark.parametrize("top", [0, 1, BLOCK, ROWS - 1, 1000])
@pytest.mark.parametrize("height", [1, BLOCK, ROWS, 3 * ROWS + 7])
def test_rows_part_the_height_where_blocks_end(top, height) -> None:
    parts = list(keyed(0).moved(top).rows(height))
    covered = [row for part in parts for row in range(part.start, part.stop)]
    assert covered == list(range(height))
    assert all((top + part.start) % BLOCK == 0 for part in parts[1:])


@pytest.mark.parametrize(
    "scheduler",
    [DDPMScheduler(), DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")],
    ids=["ddpm", "sde-dpmsolver++"],
)
def test_a_scheduler_adds_the_noise_of_the_place(scheduler) -> None:
    scheduler.set_timesteps(4)
    t = int(scheduler.timesteps[0])
    torch.manual_seed(0)
    output, latents = torch.randn(2, 1, 3, TALL, WIDE)
    whole = image_step(scheduler, output, latents, t, keyed(0))
    scheduler.set_timesteps(4)
    window = Window(10, 40, 20, 25)
    part = image_step(
        scheduler, window.of(output), window.of(latents), t, keyed(0).moved(window.top, window.left)
    )
    assert torch.equal(part, window.of(whole))
    scheduler.set_timesteps(4)
    assert not torch.equal(whole, image_step(scheduler, output, latents, t, keyed(1)))


def test_a_mask_is_drawn_by_place() -> None:
    torch.manual_seed(0)
    height = ROWS + 40
    log_p = torch.randn(1, 5, height, 33).log_softmax(1)
    masks = torch.randint(5, (1, height, 33))
    abar, window = linear_abar(), Window(50, 3, 100, 20)
    whole = mask_step(abar, log_p, masks, 900, 500, keyed(0))
    inside = window.of(log_p), window.of(masks)
    part = mask_step(abar, *inside, 900, 500, keyed(0).moved(window.top, window.left))
    assert torch.equal(part, window.of(whole))
