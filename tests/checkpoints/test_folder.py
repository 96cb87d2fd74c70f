"""Model folders: what is saved is what is loaded, and nothing in a file chooses code to run."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from segsr import JointSegSR, SegSRPipeline
from segsr.checkpoints.folder import find_folder, load_component, save_folder
from segsr.errors import SegSRError


@pytest.fixture(scope="module")
def model():
    return tiny.joint(seed=3).eval()


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_restores_the_same_photograph(model, folder) -> None:
    lq = tiny.batch()["lq"][0]
    loaded = JointSegSR.from_pretrained(folder)
    assert loaded.srdm.residual_scale == model.srdm.residual_scale
    assert loaded.srdm.steps == model.srdm.steps
    assert loaded.segdm.factor == model.segdm.factor
    assert not loaded.training
    ours, theirs = loaded.restore(lq, seed=5), model.restore(lq, seed=5)
    assert torch.equal(ours.image, theirs.image)
    assert torch.equal(ours.mask, theirs.mask)


def test_the_pipeline_is_the_model(model, folder, tmp_path) -> None:
    lq = tiny.batch()["lq"][0]
    pipeline = SegSRPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    assert torch.equal(pipeline(lq, seed=5).image, model.restore(lq, seed=5).image)
    assert not torch.equal(pipeline(lq, seed=5, name="a").image, pipeline(lq, seed=5).image)
    pipeline.save_pretrained(tmp_path / "again")
    again = SegSRPipeline.from_pretrained(tmp_path / "again").to("cpu")
    again.set_progress_bar_config(disable=True)
    assert torch.equal(again(lq, seed=5).image, pipeline(lq, seed=5).image)


def test_half_precision_weights_are_loaded_as_float32(model, tmp_path) -> None:
    save_folder(tmp_path, {"controller": model.srdm.controller}, {}, dtype=torch.bfloat16)
    loaded = load_component(tmp_path, "controller")
    for ours, theirs in zip(loaded.parameters(), model.srdm.controller.parameters(), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-6)
    assert next(model.srdm.controller.parameters()).dtype == torch.float32


def test_stages_write_into_one_folder(tmp_path) -> None:
    tiny.srdm().save_pretrained(tmp_path)
    tiny.segdm(mask_schedule="cosine").save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "segsr.json").read_text())
    assert settings["srdm"]["residual_scale"] == 0.25
    assert settings["segdm"]["mask_schedule"] == "cosine"
    names = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert names == {
        "autoencoder", "controller", "denoiser", "prior", "seg_denoiser", "scheduler",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["DiffusionPipeline", "os.system", "SegDenoiser"])
def test_a_class_is_never_taken_from_a_file(folder, name) -> None:
    path = folder / "controller" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": name}))
    with pytest.raises(SegSRError, match=rf"{name}.*ImageController"):
        JointSegSR.from_pretrained(folder)


def test_pickled_weights_are_not_read(folder) -> None:
    weights = folder / "bridge" / "diffusion_pytorch_model.safetensors"
    torch.save(dict(tiny.bridge().state_dict()), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(SegSRError, match="bridge"):
        JointSegSR.from_pretrained(folder)


def test_what_is_missing_is_named(folder) -> None:
    (folder / "prior" / "config.json").unlink()
    with pytest.raises(SegSRError, match=r"prior/config.json is missing"):
        JointSegSR.from_pretrained(folder)
    with pytest.raises(SegSRError, match="no model 'nowhere': give a folder"):
        find_folder("nowhere")


def test_a_newer_format_is_refused(folder) -> None:
    (folder / "segsr.json").write_text('{"format": 99}')
    with pytest.raises(SegSRError, match="update it"):
        JointSegSR.from_pretrained(folder)


def test_weights_that_do_not_fit_are_refused(folder) -> None:
    path = folder / "controller" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "guidance_channels": 16}))
    with pytest.raises(SegSRError, match="cannot be read"):
        load_component(folder, "controller")


def test_weights_with_a_key_missing_are_refused(folder) -> None:
    path = folder / "bridge" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    del state["class_embedding.weight"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(SegSRError, match=r"class_embedding\.weight"):
        load_component(folder, "bridge")
