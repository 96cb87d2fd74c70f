"""What each part costs on a GPU: full-size networks with random weights, and the compact model.

    python benchmarks/gpu.py --minutes 2 --out runs/gpu       # CUDA where it is, at full size
    python benchmarks/gpu.py --device cpu --size tiny         # tries itself out, under a minute

The networks of conf/model/sd21.yaml are made on the device: nothing is downloaded. A row is the
median of some runs after warm-up; telling and cheap rows come first. A row that fails says why, one
that no longer fits into the minutes is left out, and the rest goes on.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

BEGIN = time.perf_counter()  # the imports count

import diffusers  # noqa: E402
import torch  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402
from gpu_table import Row, Table, sentence  # noqa: E402
from omegaconf import DictConfig  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from segsr import JointSegSR  # noqa: E402
from segsr.batch import SCALE, Batch  # noqa: E402
from segsr.config import build, filled, load_recipe  # noqa: E402
from segsr.degradation import recipe  # noqa: E402
from segsr.diffusion.noise import keyed  # noqa: E402
from segsr.diffusion.state import State  # noqa: E402
from segsr.inference.restoration import restore  # noqa: E402
from segsr.model.joint import JointModel  # noqa: E402
from segsr.model.options import SamplingOptions  # noqa: E402
from segsr.nets.resize_codec import to_canvas  # noqa: E402
from segsr.nets.time_aware_encoder import as_timesteps  # noqa: E402
from segsr.planning.layout import lay_out  # noqa: E402
from segsr.planning.plan import Plan, plan_fit  # noqa: E402
from segsr.seeding import generator  # noqa: E402

GIB = 2**30
MOST_RUNS, MOST_SECONDS = 10, 2.5  # of one row
PATIENCE = 20.0  # seconds that a plan is waited for
STEP = 500
TINY_BASE = {
    "unet": {
        "sample_size": 16,
        "cross_attention_dim": 16,
        "attention_head_dim": 8,
        "block_out_channels": [16] * 4,
        "layers_per_block": 1,
        "norm_num_groups": 8,
    },
    "vae": {
        "block_out_channels": [8] * 4,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "norm_num_groups": 4,
    },
}
TINY_NETS = [
    "nets.guidance_channels=16",
    "nets.feature_channels=16",
    "nets.aid_channels=16",
    "nets.denoiser.sft_hidden=8",
    "nets.controller.channels=[16,16,16,16]",
    "nets.controller.depth=1",
    "nets.controller.norm_groups=8",
    "nets.prior.segformer.hidden_sizes=[8,16,40,64]",
    "nets.prior.segformer.depths=[1,1,1,1]",
    "nets.seg_denoiser.channels=[16,16,16]",
    "nets.seg_denoiser.norm_groups=8",
    "nets.bridge.control_widths=[16,16,16,16]",
    "nets.bridge.aid_widths=[16,16,16]",
    "nets.bridge.norm_groups=8",
]


class Bench:
    """The networks, made when they are first needed, their inputs, and the clock.

    Args:
        device: Where everything runs.
        tiny: Networks of the same structure and next to no size, on small pictures.
        folder: For the tiny base model's configuration.
    """

    def __init__(self, device: torch.device, tiny: bool, folder: Path) -> None:
        self.device, self.tiny = device, tiny
        self.on_cuda = device.type == "cuda"
        self.size = 128 if tiny else 512
        self.stable_sr: dict[bool, float] = {}
        self.peaks: dict[bool, float] = {}
        self.overrides = [f"data.crop_size={self.size}", "data.batch_size=1"]
        if tiny:
            for part, config in TINY_BASE.items():
                (folder / part).mkdir()
                (folder / part / "config.json").write_text(json.dumps(config))
            self.overrides += [*TINY_NETS, f"base_model={folder}"]

    def recipe(self, *overrides: str) -> DictConfig:
        """conf/joint.yaml at this size, a sample a batch."""
        return load_recipe("joint", [*self.overrides, *overrides])

    @cached_property
    def task(self) -> JointSegSR:
        """The task of conf/joint.yaml, float32, its weights random."""
        cfg = self.recipe()
        with self.device:
            task = lay_out(cfg)
        assert isinstance(task, JointSegSR)
        task.srdm.branch.scheduler = build(cfg.nets.scheduler)  # its tables stay on the CPU
        return task.to(self.device).eval()

    @cached_property
    def model(self) -> JointModel:
        """The model that the task trains."""
        return self.task.model.eval()

    @cached_property
    def unet(self) -> UNet2DConditionModel:
        """The U-Net as Stable Diffusion has it."""
        config = self.model.image.denoiser.config.unet
        with self.device:
            return UNet2DConditionModel(**config).eval()

    @cached_property
    def compact(self) -> JointModel:
        """The packaged model."""
        return JointModel.from_pretrained("compact").to(self.device)

    def forget(self, *names: str) -> None:
        """Give up networks, so that they do not count as another's memory."""
        for name in names:
            self.__dict__.pop(name, None)

    def lq(self) -> Tensor:
        """A photograph of which `size` px are to be made, (3, h, w)."""
        side = self.size // SCALE
        return torch.rand(3, side, side, generator=generator("lq")).to(self.device)

    def autocast(self) -> Any:
        """bf16-mixed."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def synchronize(self) -> None:
        """Wait until the device has done all that it was told."""
        if self.on_cuda:
            torch.cuda.synchronize()

    def clock(self, act: Callable[[], object], warm_up: int = 2) -> tuple[float, int]:
        """The median seconds that `act` takes, and of how many runs."""
        for _ in range(warm_up):
            act()
        self.synchronize()
        seconds: list[float] = []
        most = MOST_SECONDS / 5 if self.tiny else MOST_SECONDS
        while not seconds or (len(seconds) < MOST_RUNS and sum(seconds) < most):
            begin = time.perf_counter()
            act()
            self.synchronize()
            seconds.append(time.perf_counter() - begin)
        return sorted(seconds)[len(seconds) // 2], len(seconds)


@contextmanager
def low_precision(*networks: nn.Module) -> Iterator[None]:
    """Within it, convolutions and linear layers are stored in bfloat16: autocast casts nothing."""
    exact = []
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                exact += [(parameter, parameter.data) for parameter in module.parameters()]
    for parameter, data in exact:
        parameter.data = data.to(torch.bfloat16)
    try:
        yield
    finally:
        for parameter, data in exact:
            parameter.data = data


class Inputs:
    """What a sampling step reads."""

    def __init__(self, bench: Bench) -> None:
        model = bench.model
        self.conditions = model.read(to_canvas(bench.lq()[None]))
        self.latents = torch.randn_like(self.conditions.lq_latents)
        self.masks = model.mask.start_state(self.conditions.features, keyed(0))
        self.now = as_timesteps(STEP, self.latents)


def stable_sr(bench: Bench) -> Callable[[], object]:
    """The guided U-Net and its controller."""
    x, image = Inputs(bench), bench.model.image
    return lambda: image.denoise(x.latents, x.now, x.conditions.lq_latents)


def unet_alone(bench: Bench) -> Callable[[], object]:
    """Stable Diffusion's step."""
    x, unet, prompt = Inputs(bench), bench.unet, bench.model.image.denoiser.prompt
    assert prompt is not None
    return lambda: unet(x.latents, x.now, prompt[None])


def joint_step(
    bench: Bench, layout: torch.memory_format = torch.contiguous_format, **options: Any
) -> Callable[[], object]:
    """Both branches and, unless options take it away, the bridge."""
    x = Inputs(bench)
    latents = x.latents.contiguous(memory_format=layout)
    state, chosen = State(latents, x.masks), SamplingOptions(**options)
    t: Any = x.now[0]  # on the device already: a graph records no copy
    return lambda: bench.model.predict(state, x.conditions, t, chosen)


def as_graph(act: Callable[[], object]) -> Callable[[], object]:
    """What `act` does on the device, without Python between its kernels."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            act()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        act()
    return graph.replay


def compiled(bench: Bench) -> Callable[[], object]:
    """The joint step after torch.compile; what was compiled stays so."""
    model = bench.model
    networks = [model.image.controller, model.image.denoiser, model.mask.denoiser]
    for network in [*networks, *model.bridge.children()]:
        network.compile(dynamic=False)
    return joint_step(bench)


def sampling(prepare: Callable[[Bench], Callable[[], object]], graph: bool, bench: Bench) -> Row:
    """Milliseconds of a sampling step, beside StableSR's."""
    networks = (bench.model, bench.unet)
    with torch.no_grad(), low_precision(*networks), bench.autocast():
        act = prepare(bench)
        seconds, runs = bench.clock(as_graph(act) if graph else act)
    if prepare is stable_sr:
        bench.stable_sr[graph] = seconds
    reference = bench.stable_sr.get(graph)
    note = "" if reference is None else f"{seconds / reference:.2f} of StableSR's"
    return Row(1000 * seconds, "ms", note, runs)


def channels_last(bench: Bench) -> Row:
    """The same, with convolutions' weights and inputs in the layout of tensor cores."""
    try:
        bench.model.to(memory_format=torch.channels_last)
        return sampling(partial(joint_step, layout=torch.channels_last), False, bench)
    finally:
        bench.model.to(memory_format=torch.contiguous_format)


def restoration(network: str, steps: int, bf16: bool, bench: Bench) -> Row:
    """Seconds from the LQ pixels to the restored ones."""
    model, lq = getattr(bench, network), bench.lq()
    options = SamplingOptions(steps=steps)
    act = partial(restore, model, lq, keyed("restoration"), options)
    if bf16:
        with low_precision(model), bench.autocast():
            seconds, runs = bench.clock(act, warm_up=1)
    else:
        seconds, runs = bench.clock(act, warm_up=1)
    return Row(seconds, "s", f"{60 / seconds:.0f} images a minute", runs)


def degradation(bench: Bench) -> Row:
    """Pairs a second by conf/degradation/real_esrgan.yaml, drawing their parameters included."""
    count, side = (4, 64) if bench.tiny else (64, 256)
    pipeline = recipe("real_esrgan")
    hq = torch.rand(count, 3, side, side, generator=generator("hq")).to(bench.device)

    def generators() -> list[torch.Generator]:
        return [generator("degrade", i) for i in range(count)]

    seconds, runs = bench.clock(lambda: pipeline(hq, generators()), warm_up=1)
    begin = time.perf_counter()
    for each in generators():
        pipeline.draw(each)
    drawing = (time.perf_counter() - begin) / seconds
    return Row(count / seconds, "images/s", f"{drawing:.0%} of it draws parameters", runs)


def random_batch(bench: Bench, size: int, crop: int) -> Batch:
    """A training batch on the device."""
    with bench.device:
        return Batch(
            hq=torch.rand(size, 3, crop, crop),
            lq=torch.rand(size, 3, crop // SCALE, crop // SCALE),
            mask=torch.randint(30, (size, crop, crop)),
            name=[str(i) for i in range(size)],
        )


@contextmanager
def training(
    bench: Bench, model: JointSegSR, cfg: DictConfig, size: int
) -> Iterator[Callable[[], object]]:
    """Within it, the call it yields takes a training step as the recipe's trainer would."""
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    networks = build(cfg.trainer.callbacks.networks)
    networks.prepare(model, "bf16-mixed")
    networks._exact.clear()  # what a fit keeps in the host's memory for its end
    model.on_fit_start()
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured
    batch = random_batch(bench, size, build(filled(cfg, ".")["data"]).crop_size)

    def step() -> None:
        with bench.autocast():
            loss = model.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    if bench.on_cuda:
        torch.cuda.reset_peak_memory_stats()
    try:
        yield step
    finally:
        networks._undo()
        optimizer.zero_grad()
        model.eval()


def joint_training(checkpointing: bool, size: int, bench: Bench) -> Row:
    """Milliseconds of a step of conf/joint.yaml, and its peak of memory."""
    bench.forget("unet", "compact")
    key = "trainer.callbacks.networks.gradient_checkpointing"
    cfg = bench.recipe(f"{key}={str(checkpointing).lower()}")
    with training(bench, bench.task, cfg, size) as step:
        seconds, runs = bench.clock(step)
        if not bench.on_cuda:
            return Row(1000 * seconds, "ms", "", runs)
        peak = torch.cuda.max_memory_allocated() / GIB
    if size == 1:
        bench.peaks[checkpointing] = peak
    return Row(1000 * seconds, "ms", f"peak {peak:.2f} GiB", runs)


def compact_training(bench: Bench) -> Row:
    """Milliseconds of a step of conf/compact.yaml, and how much of it the device stood idle.

    Its networks are those of conf/model/compact.yaml: there is no folder called fresh.
    """
    size, crop = (2, 64) if bench.tiny else (64, 256)
    cfg = load_recipe("compact", [f"data.crop_size={crop}", "weights=fresh"])
    with bench.device:
        model = lay_out(cfg)
    assert isinstance(model, JointSegSR)
    with training(bench, model.to(bench.device), cfg, size) as step:
        seconds, runs = bench.clock(step, warm_up=3)
        if not bench.on_cuda:
            return Row(1000 * seconds, "ms", "", runs)
        peak = torch.cuda.max_memory_allocated() / GIB
        note = f"{size / seconds:.0f} images/s, peak {peak:.2f} GiB"
        try:
            idle = 1 - kernel_seconds(step) / seconds
            note += f", {idle:.0%} outside kernels (goal 15%)"
        except Exception as error:
            note += f", not profiled: {sentence(error)}"
    return Row(1000 * seconds, "ms", note, runs)


def kernel_seconds(step: Callable[[], object], runs: int = 3) -> float:
    """Seconds that the kernels of a step take on the device."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(runs):
            step()
        torch.cuda.synchronize()
    total = sum(
        event.self_device_time_total
        for event in profile.key_averages()
        if not getattr(event, "is_user_annotation", False) and "#" not in event.key
    )  # without what only names spans of kernels, as optimizers do
    return float(total) / 1e6 / runs


class Plans:
    """What `segsr fit --plan` foresees, computed in processes of their own meanwhile."""

    def __init__(self, bench: Bench) -> None:
        self.answers: dict[bool, Plan | Exception] = {}
        key = "trainer.callbacks.networks.gradient_checkpointing"
        self.threads = {
            value: threading.Thread(
                target=self._plan,
                args=(value, bench.recipe(f"{key}={str(value).lower()}", "trainer.devices=1")),
                daemon=True,
            )
            for value in (True, False)
        }
        for thread in self.threads.values():
            thread.start()

    def _plan(self, checkpointing: bool, cfg: DictConfig) -> None:
        try:
            self.answers[checkpointing] = plan_fit(cfg)
        except Exception as error:
            self.answers[checkpointing] = error

    def row(self, checkpointing: bool, table: Table, bench: Bench) -> Row:
        """The planned peak beside the measured one."""
        self.threads[checkpointing].join(min(max(table.left - 5, 0), PATIENCE))
        plan = self.answers.get(checkpointing, TimeoutError("the plan was not made in time"))
        if isinstance(plan, Exception):
            raise plan
        planned = (plan.total - plan.average - plan.buckets) / GIB  # the step above has neither
        measured = bench.peaks.get(checkpointing)
        note = "" if measured is None else f"{planned / measured:.3f} of the measured peak"
        return Row(planned, "GiB", note)


def measure_all(bench: Bench, table: Table) -> None:
    """The rows, in the order in which they matter; the numbers are seconds each may need."""
    plans = None
    try:
        plans = Plans(bench)
    except Exception as error:
        print(f"no plans: {sentence(error)}", flush=True)
    apart = partial(joint_step, guidance=0.0, exchange=False)
    step, scale = f"sampling step, {bench.size} px, bf16", 0.2 if bench.tiny else 1.0
    restore = f"to {bench.size} px"

    def row(name: str, measure: Callable[[Bench], Row], needs: float) -> None:
        table.measure(name, lambda: measure(bench), needs * scale)

    row(f"{step}: U-Net, SFTs, controller (StableSR's)", partial(sampling, stable_sr, False), 10)
    row(f"{step}: + SegDM", partial(sampling, apart, False), 3)
    row(f"{step}: + bridge, the joint step (goal 1.20)", partial(sampling, joint_step, False), 3)
    row(f"{step}: U-Net alone", partial(sampling, unet_alone, False), 3)
    for steps, label in ((4, "4 steps (goal 20 a minute)"), (1, "1 step")):
        name = f"joint restoration {restore}, bf16, {label}"
        row(name, partial(restoration, "model", steps, True), 4)
    row("compact restoration, float32, 4 steps", partial(restoration, "compact", 4, False), 4)
    row("compact restoration, float32, 1 step", partial(restoration, "compact", 1, False), 3)
    train = f"joint training step, {bench.size} px, bf16"
    for checkpointing, label in ((True, "checkpointing"), (False, "no checkpointing")):
        name = f"{train}, batch 1, {label}"
        row(name, partial(joint_training, checkpointing, 1), 6)
    row("degradation real_esrgan, on the device", degradation, 5)
    row("compact training step, bf16", compact_training, 8)
    if bench.on_cuda:
        row(f"{step}: StableSR's, as a CUDA graph", partial(sampling, stable_sr, True), 4)
        row(f"{step}: joint, as a CUDA graph", partial(sampling, joint_step, True), 4)
    row("compact restoration, bf16, 4 steps", partial(restoration, "compact", 4, True), 3)
    row(f"{step}: joint, channels last", channels_last, 4)
    for size in () if bench.tiny else (2, 4):
        for checkpointing, label in ((False, "no checkpointing"), (True, "checkpointing")):
            name = f"{train}, batch {size}, {label}"
            row(name, partial(joint_training, checkpointing, size), 8)
    if not bench.tiny:
        name = f"joint restoration {restore}, bf16, 50 steps"
        row(name, partial(restoration, "model", 50, True), 15)
    name = f"joint restoration {restore}, float32, as upscale runs it, 4 steps"
    row(name, lambda bench: (bench.model.float(), restoration("model", 4, False, bench))[1], 6)
    if plans is not None:
        for checkpointing, label in ((True, "checkpointing"), (False, "no checkpointing")):
            name = f"segsr fit --plan, batch 1, {label}"
            row(name, partial(plans.row, checkpointing, table), 1)
    if bench.on_cuda:
        row(f"{step}: joint, torch.compile", partial(sampling, compiled, False), 60)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2, help="after which it ends")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--size", choices=("auto", "full", "tiny"), default="auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    there = torch.cuda.is_available()
    if arguments.device == "cuda" and not there:
        raise SystemExit("no CUDA device is available here: use --device cpu --size tiny")
    device = torch.device("cuda" if there and arguments.device != "cpu" else "cpu")
    tiny = arguments.size == "tiny" or (arguments.size == "auto" and device.type == "cpu")
    threads = f"CPU, {torch.get_num_threads()} threads"
    title = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else threads,
        "size": "tiny (the numbers mean nothing)" if tiny else "full",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }
    table = Table(arguments.out, title, BEGIN, arguments.minutes)
    print(", ".join(f"{key} {value}" for key, value in title.items()), flush=True)
    gc.collect()
    gc.freeze()  # what the imports made is not looked through again between rows
    with tempfile.TemporaryDirectory() as folder:
        measure_all(Bench(device, tiny, Path(folder)), table)
    print(f"\n{table.markdown()}\nwritten to {arguments.out}", flush=True)
    for process in multiprocessing.active_children():
        process.kill()  # a plan that nobody waits for any more
    os._exit(0)  # nor for a compiler's threads


if __name__ == "__main__":
    main()
