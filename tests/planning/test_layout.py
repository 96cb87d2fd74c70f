"""Every recipe's networks are laid out without a weight, at the public systems' sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from segsr.config import load_recipe
from segsr.planning.layout import SD21_UNET, lay_out
from segsr.tasks.joint import JointSegSR
from segsr.tasks.srdm import SRDM


def count(module: nn.Module, trainable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def laid_out(name: str, *overrides: str):
    with torch.device("meta"):
        return lay_out(load_recipe(Path("conf", f"{name}.yaml"), list(overrides)))


def test_stage_one_needs_no_base_model() -> None:
    model = laid_out("srdm")
    assert count(model, trainable=True) == 105_514_240
    assert count(model.branch.denoiser) == 865_910_724 + 53_020_160
    assert count(model.branch.autoencoder) == 83_653_863
    assert next(model.branch.denoiser.parameters()).is_meta


def test_the_joint_stage_needs_no_weights() -> None:
    model = laid_out("joint")
    assert isinstance(model, JointSegSR)
    assert count(model.srdm, trainable=True) == 105_514_240
    assert not any(p.requires_grad for p in model.segdm.branch.prior.parameters())
    assert count(model.segdm.branch.prior) == pytest.approx(27.37e6, rel=1e-3)


@pytest.mark.parametrize("name", ["compact", "compact_joint", "compact_srdm", "prior", "segdm"])
def test_other_recipes(name: str) -> None:
    assert count(laid_out(name), trainable=True) > 0


def test_a_folders_own_configuration_comes_first(tmp_path) -> None:
    tiny.joint().save_pretrained(tmp_path)
    model = laid_out("joint", f"weights={tmp_path}", "model.segdm.branch.factor=4")
    expected = tiny.joint()
    assert count(model.srdm) == count(expected.srdm)
    assert count(model.segdm) == count(expected.segdm)


def test_a_base_models_own_configuration_comes_first(tmp_path) -> None:
    config = {**SD21_UNET, "block_out_channels": [32, 64, 64, 64], "_class_name": "U"}
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    model = laid_out("srdm", f"base_model={tmp_path}")
    assert isinstance(model, SRDM)
    assert count(model.branch.denoiser.net) < 50_000_000
    assert count(model.branch.autoencoder) == 83_653_863  # no vae/ there: that of 2.1
