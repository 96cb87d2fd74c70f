"""One step distilled from a joint model: what is trained, by what, and what is written."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import launch
import pytest
import tiny
import torch
from one_step import one_step, stable_diffusion
from torch import nn

from segsr.cli import run
from segsr.config import load_recipe
from segsr.diffusion.noise import Noise
from segsr.errors import SegSRError
from segsr.inference.pipeline import SegSRPipeline
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas
from segsr.tasks.one_step import OneStep
from segsr.training.components import components
from segsr.training.lora import merged
from segsr.training.networks import PrepareNetworks

BATCH = tiny.batch(2, 32)
NOISE = Noise([(0,), (1,)])


def compact() -> JointModel:
    return tiny.joint().eval().model


def awaken(task: OneStep) -> None:
    """Adapters and Seg Controller as after some training."""
    for name, parameter in task.student.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.05)


def step(model: JointModel, **options):
    conditions = model.read(to_canvas(BATCH["lq"]))
    (last,) = model.sample(conditions, NOISE, SamplingOptions(**options))
    return last


@pytest.mark.parametrize("start", ["noise", "lq", "latent"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_silent_adapter_is_the_teachers_one_step_to_the_bit(start, steps) -> None:
    task = one_step(stable_diffusion(), lora_rank=4, start=start, mask_first=steps, drop=0.0)
    teacher = task.teacher
    teacher.mask_first, teacher.image.scheduler = steps, task.student.image.scheduler
    theirs = step(teacher, steps=1, start=start)
    ours = step(task.student.eval())
    assert ours.t == 999
    assert torch.equal(ours.predicted_latents, theirs.predicted_latents)
    assert torch.equal(ours.mask_log_probs, theirs.mask_log_probs)
    # and so is what training sees: the same draws in the same order
    conditions = task.teacher.read(to_canvas(BATCH["lq"]))
    result = task.restore(conditions, NOISE)
    assert torch.equal(result.clean, theirs.predicted_latents)
    assert torch.equal(result.lq_latents, conditions.lq_latents)


def test_every_trainable_weight_gets_a_gradient_and_no_other() -> None:
    for task in (
        one_step(stable_diffusion(), lora_rank=2, drop=1.0),
        one_step(compact()),
        one_step(compact(), distil=0),
    ):
        task.training_step(BATCH, 0).backward()
        parameters = dict(task.named_parameters())
        assert not [n for n, p in parameters.items() if p.requires_grad and p.grad is None]
        trained = {n for n, p in parameters.items() if p.requires_grad}
        assert not [n for n in trained if n.startswith(("teacher.", "student.mask."))]
        assert any(n.startswith("student.image.controller.") for n in trained)
        assert any(n.startswith("student.bridge.seg_controller.") for n in trained)
        assert not any("image_aid" in n for n in trained)
        assert any(n.startswith("fake.image.denoiser.") for n in trained) == bool(task.distil)
        assert not any(n.startswith("fake.image.controller.") for n in trained)


def test_with_adapters_teacher_student_and_critic_share_their_weights() -> None:
    teacher = stable_diffusion()
    weights = set(teacher.image.parameters())
    task = one_step(teacher, lora_rank=2)
    for model in (task.student, task.teacher, task.fake):
        assert weights <= set(model.image.parameters())
    adapters = [n for n, p in task.named_parameters() if p.requires_grad and "lora" not in n]
    assert all(n.startswith("student.bridge.") for n in adapters)
    encoder = {n for n, p in task.student.image.autoencoder.named_parameters() if p.requires_grad}
    assert encoder
    assert not [n for n in encoder if "decoder" in n or "post_quant" in n]
    rows = list(components(task))
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in task.parameters())


def test_each_side_learns_from_its_own_term() -> None:
    task = one_step(stable_diffusion(), lora_rank=2)
    awaken(task)
    batch = BATCH
    conditions = task.teacher.read(to_canvas(batch["lq"]))
    generators = task.generators(batch)
    terms = task.score_terms(task.restore(conditions, NOISE), conditions.lq_latents, generators)
    student = [p for p in task.student.parameters() if p.requires_grad]
    fake = [p for p in task.fake.parameters() if p.requires_grad]

    def reached(term: str, parameters: list[nn.Parameter]) -> int:
        found = torch.autograd.grad(terms[term], parameters, allow_unused=True, retain_graph=True)
        return sum(g is not None for g in found)

    assert reached("distillation", student) == len(student)
    assert reached("distillation", fake) == 0
    assert reached("fake", student) == 0
    assert reached("fake", fake) == len(fake)


def test_a_critic_that_is_the_teacher_moves_nothing() -> None:
    """As long as the fake network has learnt nothing, both predictions are one."""
    task = one_step(stable_diffusion(), lora_rank=2)
    batch = BATCH
    generators = task.generators(batch)
    conditions = task.teacher.read(to_canvas(batch["lq"]))
    result = task.restore(conditions, NOISE)
    terms = task.score_terms(result, conditions.lq_latents, generators)
    assert terms["distillation"] == 0
    assert terms["fake"] > 0


def test_the_written_model_is_the_student(tmp_path) -> None:
    task = one_step(stable_diffusion(), lora_rank=4, start="latent", mask_first=2)
    awaken(task)
    task.save_pretrained(tmp_path)
    assert "lora_A" in str(list(task.student.state_dict()))  # goes on as it was
    model = JointModel.from_pretrained(tmp_path)
    image = model.image
    assert (model.mask_first, image.start, image.steps, image.most_steps) == (2, "latent", 1, 1)
    assert "lora" not in str(list(model.state_dict()))
    ours, theirs = step(model).predicted_latents, step(task.student.eval()).predicted_latents
    scale = theirs.abs().max()
    torch.testing.assert_close(ours / scale, theirs / scale, rtol=1e-5, atol=1e-5)
    silent = step(one_step(stable_diffusion(), lora_rank=4, start="latent", mask_first=2).student)
    assert (silent.predicted_latents - theirs).abs().max() > 1e-3 * scale
    pipeline = SegSRPipeline.from_pretrained(tmp_path)
    restored = pipeline(BATCH["lq"][0])
    assert restored.image.shape == (3, 32, 32)
    with pytest.raises(SegSRError, match="steps is 4, but the model was distilled to 1"):
        pipeline(BATCH["lq"][0], steps=4)


def test_merged_adapters_equal_unmerged_ones() -> None:
    task = one_step(stable_diffusion(), lora_rank=4).eval()
    awaken(task)
    image = task.student.image
    state, t = torch.randn(2, 4, 16, 16), torch.tensor([3, 999])
    maps = tuple(torch.randn(2, tiny.WIDTH, 16 // 2**i, 16 // 2**i) for i in range(2))
    photos = torch.rand(2, 3, 32, 32)
    for network, arguments in (
        (image.denoiser, (state, t, maps)),
        (image.controller, (state, t)),
        (image.autoencoder.codec.encoder, (photos,)),
    ):
        ours, theirs = merged(network)(*arguments), network(*arguments)
        for x, y in zip(*((v,) if torch.is_tensor(v) else v for v in (ours, theirs)), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


def test_low_precision_gives_shared_weights_back_as_they_were() -> None:
    task = one_step(stable_diffusion(), lora_rank=2)
    before = {n: p.clone() for n, p in task.named_parameters()}
    prepare = PrepareNetworks(low_precision_frozen=True, gradient_checkpointing=True)
    prepare.prepare(task, "bf16-mixed")
    with torch.autocast("cpu", torch.bfloat16):
        task.training_step(BATCH, 0).backward()
    assert task.teacher.image.denoiser.net.conv_in.weight.dtype == torch.bfloat16
    assert not [n for n, p in task.named_parameters() if p.requires_grad and p.grad is None]
    prepare._undo()
    assert all(torch.equal(p, before[n]) for n, p in task.named_parameters())


def test_a_checkpoint_holds_no_weight_that_is_shared() -> None:
    task = one_step(stable_diffusion(), lora_rank=2)
    checkpoint = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    trained = {n for n, p in task.named_parameters() if p.requires_grad}
    assert set(checkpoint["state_dict"]) == trained
    task.on_load_checkpoint(checkpoint)


@pytest.mark.slow
def test_a_student_of_stable_diffusions_shape_learns_with_its_critic() -> None:
    task = one_step(stable_diffusion(), lora_rank=4, drop=0.0)
    optimizer = task.configure_optimizers()
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    losses: dict[str, list[float]] = {"l2": [], "fake": []}
    for _ in range(50):
        optimizer.zero_grad()
        task.training_step(BATCH, 0).backward()
        optimizer.step()
        for name, values in losses.items():
            values.append(float(task.losses[name]))
    for name, most in (("l2", 0.99), ("fake", 0.8)):
        assert sum(losses[name][-10:]) < most * sum(losses[name][:10]), name


@pytest.mark.slow
def test_two_processes_leave_no_weight_unused(tmp_path) -> None:
    """DDP raises at the second step if a weight got no gradient in the first."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    command = [sys.executable, str(Path(__file__).with_name("one_step_worker.py"))]
    workers = [
        subprocess.Popen(
            [*command, str(rank), port, str(tmp_path / str(rank))], env=launch.environment()
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    first, second = (torch.load(tmp_path / str(rank), weights_only=True) for rank in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(name.startswith("fake.") for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compact_one_step", "one_step"])
def test_a_recipe_fits_at_tiny_size(name, alone) -> None:
    teacher = JointModel.from_pretrained("compact") if name == "compact_one_step" else None
    (teacher or stable_diffusion()).save_pretrained("teacher")
    overrides = [
        "data=samples",
        "trainer=cpu",
        "trainer.max_steps=2",
        "trainer.limit_val_batches=0",
    ]
    overrides += ["data.crop_size=64", "data.batch_size=1", "weights=teacher", "output=student"]
    overrides += ["data.num_workers=0", "run_dir=run", "trainer.precision=32-true"]
    overrides += ["trainer.accumulate_grad_batches=1", "trainer.limit_val_batches=0"]
    if name == "one_step":
        overrides += ["model.teacher.mask.factor=4"]
    run.fit(load_recipe(Path("conf", f"{name}.yaml"), overrides))
    student = JointModel.from_pretrained("student")
    assert (student.mask_first, student.image.steps, student.image.most_steps) == (1, 1, 1)
    before = JointModel.from_pretrained("teacher").image.denoiser.state_dict()
    after = student.image.denoiser.state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    restored = SegSRPipeline(student)(BATCH["lq"][0])
    assert restored.image.isfinite().all()
