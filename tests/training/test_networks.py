"""Checkpointing, low precision of what is frozen, compilation: other costs, the same numbers."""

from pathlib import Path

import pytest
import tiny
import torch
from lightning import Trainer
from safetensors.torch import load_file
from saved import losses, tensors

from segsr.cli import run
from segsr.config import load_recipe
from segsr.training.blocks import blocks
from segsr.training.networks import PrepareNetworks

RECIPE = Path(__file__).parents[1] / "support" / "tiny.yaml"
SHORT = ["trainer.max_steps=2", "trainer.precision=bf16-mixed"]


def fit(folder: str, *overrides: str) -> None:
    run.fit(load_recipe(RECIPE, [f"run_dir={folder}", *SHORT, *overrides]))


def weights(folder: str) -> dict[str, torch.Tensor]:
    files = sorted(Path(folder, "weights").rglob("*.safetensors"))
    return tensors({file.parent.name: load_file(file) for file in files})


def prepared(**options: bool):
    """A stage-one task after the callback's setup, on a trainer that does nothing else."""
    task = tiny.srdm(train_denoiser=False)
    trainer = Trainer(
        accelerator="cpu", precision="bf16-mixed", logger=False, enable_checkpointing=False
    )
    callback = PrepareNetworks(**options)
    callback.setup(trainer, task, "fit")
    return task, callback, trainer


def test_neither_checkpointing_nor_low_precision_changes_a_bit(alone) -> None:
    fit("plain")
    networks = "trainer.callbacks.networks"
    fit("spare", f"{networks}.gradient_checkpointing=true", f"{networks}.low_precision_frozen=true")
    assert len(losses(Path("plain"))) == 2
    assert losses(Path("spare")) == losses(Path("plain"))
    found, expected = weights("spare"), weights("plain")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():  # the frozen ones too: exported as they were loaded
        assert torch.equal(found[name], tensor), name
        assert found[name].dtype == tensor.dtype


def test_only_frozen_matrices_are_stored_in_low_precision_and_only_during_the_fit() -> None:
    task, callback, trainer = prepared(low_precision_frozen=True)
    before = tiny.srdm(train_denoiser=False)
    low = {n for n, p in task.named_parameters() if p.dtype == torch.bfloat16}
    frozen = {n for n, p in before.named_parameters() if not p.requires_grad and p.ndim > 1}
    patches = "branch.autoencoder"  # which stay exact
    assert low == {n for n in frozen if not n.startswith(patches)}
    assert low
    exact = {n: e for n, p in task.named_parameters() for q, e in callback._exact if q is p}
    callback.on_fit_end(trainer, task)
    assert all(p.dtype == torch.float32 for p in task.parameters())
    assert all(torch.equal(task.get_parameter(name), exact[name]) for name in low)


def test_checkpointing_runs_every_block_again_in_the_backward_pass() -> None:
    task, callback, trainer = prepared(gradient_checkpointing=True)
    task.log = lambda *args, **kwargs: None
    calls: dict[torch.nn.Module, int] = {}
    inner = {}
    for block in blocks(task):
        inner[block] = block.conv1 if hasattr(block, "conv1") else next(block.children())
        inner[block].register_forward_hook(
            lambda module, *_: calls.update({module: calls.get(module, 0) + 1})
        )
    trained = [b for b in inner if any(p.requires_grad for p in b.parameters())]
    assert trained
    loss = task.training_step(tiny.batch(), 0)
    once = dict(calls)
    loss.backward()
    assert all(calls[inner[block]] == 2 * once[inner[block]] for block in trained)
    callback.on_fit_end(trainer, task)
    assert not [block for block in inner if "forward" in vars(block)]


@pytest.mark.slow
def test_compiled_networks_learn_the_same(alone) -> None:
    fit("plain", "trainer.precision=32-true")
    fit("compiled", "trainer.precision=32-true", "trainer.callbacks.networks.compile=true")
    ours, theirs = losses(Path("compiled")), losses(Path("plain"))
    assert ours.keys() == theirs.keys()
    for step, found in ours.items():
        assert found == pytest.approx(theirs[step], rel=1e-4)
    assert weights("compiled").keys() == weights("plain").keys()
