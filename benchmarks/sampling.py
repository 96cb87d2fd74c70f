"""What each part adds to a sampling step, and a whole restoration, at full size, random weights.

    python benchmarks/sampling.py [--size 512] [--rounds 3]    # 12 GB

Times in one process, in turns: Stable Diffusion's U-Net alone, with SFTs and controller (StableSR's
step), with SegDM beside it, with the bridge between them; then restores one image in four steps.
The joint step should cost at most 1.35 times StableSR's. Peak memory is the process's.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from segsr.batch import SCALE
from segsr.config import load_recipe
from segsr.diffusion.noise import keyed
from segsr.diffusion.state import State
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas
from segsr.nets.time_aware_encoder import as_timesteps
from segsr.planning.layout import SD21_UNET, lay_out

LIMIT = 1.35


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="side of the restored image")
    parser.add_argument("--rounds", type=int, default=3, help="the median round counts")
    arguments = parser.parse_args()

    model = lay_out(load_recipe("joint")).eval().model
    unet = UNet2DConditionModel(**SD21_UNET).eval()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, float32, ", end="")
    print(f"{arguments.size} px, {torch.get_num_threads()} threads of the CPU")

    lq = torch.rand(1, 3, arguments.size // SCALE, arguments.size // SCALE)
    conditions = model.read(to_canvas(lq))
    latents = torch.randn_like(conditions.lq_latents)
    masks = model.mask.start_state(conditions.features, keyed(0))
    state = State(latents, masks)
    t = 500
    now = as_timesteps(t, latents)
    together, apart = SamplingOptions(), SamplingOptions(guidance=0.0, exchange=False)
    controller, denoiser = model.image.controller, model.image.denoiser
    prompt = denoiser.prompt[None]

    def guided() -> None:
        denoiser(latents, now, controller(conditions.lq_latents, now))

    steps = {
        "U-Net alone": lambda: unet(latents, now, prompt),
        "+ SFTs and controller": guided,
        "+ SegDM": lambda: model.predict(state, conditions, t, apart),
        "+ bridge (the joint step)": lambda: model.predict(state, conditions, t, together),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    with torch.no_grad():
        for _ in range(arguments.rounds + 1):  # the first round warms up
            for name, step in steps.items():
                begin = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - begin)
    medians = {name: float(np.median(times[1:])) for name, times in seconds.items()}
    reference = medians["+ SFTs and controller"]
    for name, median in medians.items():
        print(f"{name:<26} {median:7.2f} s {median / reference:6.2f}")
    ratio = medians["+ bridge (the joint step)"] / reference
    print(f"joint step / StableSR's step: {ratio:.2f}, limit {LIMIT}")

    begin = time.perf_counter()
    restoration = model.restore(lq[0], steps=4)
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    height, width = restoration.image.shape[-2:]
    print(
        f"restored to {width}x{height} in 4 steps: {took:.1f} s, peak of the process {peak:.1f} GiB"
    )


if __name__ == "__main__":
    main()
