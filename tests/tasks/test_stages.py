"""The compact stages before the joint one: what they train is what they leave behind."""

from pathlib import Path

import pytest
import tiny
import torch

from segsr import run
from segsr.checkpoints.folder import load_component
from segsr.config import load_config
from segsr.files.photo import read_photo
from segsr.metrics.restoration import psnr_y
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.samples import samples_folder
from segsr.tasks.autoencoder import AutoencoderTask

QUIET = [
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.limit_val_batches=0",
]


def fit(recipe: str | Path, folder, *overrides: str) -> None:
    run.fit(load_config(Path(recipe), [f"run_dir={folder}", *QUIET, *overrides]))


def test_the_autoencoder_stage_leaves_principal_components(tmp_path) -> None:
    fit("compact_autoencoder", tmp_path, "model.basis_batches=4")
    codec = Autoencoder(load_component(tmp_path / "weights", "autoencoder"))
    basis = codec.codec.encoder.detach().flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(48), atol=1e-4, rtol=0)
    photo = read_photo(samples_folder() / "images" / "friends.jpg").image[None]
    with torch.no_grad():
        assert float(psnr_y(codec.decode(codec.encode(photo)), photo)) > 45


def test_a_resumed_autoencoder_keeps_its_basis(tmp_path) -> None:
    rate = ["model.basis_batches=2", "model.optimizer.lr=1e-3", "trainer.callbacks.ema=null"]
    save = "trainer.callbacks.checkpoint.every_n_train_steps=1"
    fit("compact_autoencoder", tmp_path / "whole", *rate, save, "trainer.max_steps=3")
    fit("compact_autoencoder", tmp_path / "broken", *rate, save, "trainer.max_steps=2")
    fit("compact_autoencoder", tmp_path / "broken", *rate, save, "trainer.max_steps=3",
        "ckpt_path=last")  # fmt: skip
    whole, broken = (
        load_component(tmp_path / name / "weights", "autoencoder").state_dict()
        for name in ("whole", "broken")
    )
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_the_autoencoder_stage_has_its_codec_once() -> None:
    task = AutoencoderTask(PatchAutoencoder())
    assert {key.rpartition(".")[0] for key in task.state_dict()} == {"autoencoder.codec"}


def test_the_prior_stage_learns_and_exports(tmp_path) -> None:
    recipe = tmp_path / "prior.yaml"
    recipe.write_text(
        "defaults: [{data: samples}, {degradation: mild}, {trainer: cpu}, _self_]\n"
        "output: ${run_dir}/weights\n"
        "data: {crop_size: 64, batch_size: 2}\n"
        "trainer: {max_steps: 3, precision: 32-true}\n"
        "model:\n"
        "  _target_: segsr.tasks.segprior.SegPriorTask\n"
        "  prior: {_target_: tiny.prior}\n"
    )
    torch.manual_seed(0)
    fit(recipe, tmp_path / "run")
    prior = load_component(tmp_path / "run" / "weights", "prior")
    with torch.no_grad():
        logits = prior(torch.rand(1, 3, 64, 64)).logits
    assert logits.shape == (1, tiny.CLASSES, 16, 16)
    assert logits.isfinite().all()


@pytest.fixture(autouse=True)
def no_global_seed_left(monkeypatch):
    for variable in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
