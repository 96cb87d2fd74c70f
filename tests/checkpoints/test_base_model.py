"""A base model by any of its three addresses gives the same networks."""

import hashlib
import json
import logging

import pytest
import stablesr
import torch
from safetensors.torch import load_file, save_file

from segsr.checkpoints import base_model
from segsr.checkpoints.base_model import load_denoiser, load_vae
from segsr.checkpoints.ldm_keys import UNET, take, unet_config, unet_state, vae_config, vae_state
from segsr.checkpoints.prompt import empty_prompt, save_prompt
from segsr.errors import SegSRError

SFT = {"guidance_channels": 8, "sft_hidden": 4}


@pytest.fixture(scope="module")
def weights():
    unet = {k: v for k, v in stablesr.tiny_weights().items() if k.startswith(UNET)}
    plain = {k: v for k, v in unet.items() if ".spade." not in k}
    return {**plain, **stablesr.first_stage_weights(), "betas": torch.ones(1000)}


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "v2-1_512.ckpt"
    torch.save({"state_dict": weights}, path)
    return path


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    """The same in diffusers' layout."""
    folder = tmp_path_factory.mktemp("base")
    unet, vae = take(weights, UNET), take(weights, "first_stage_model.")
    config = unet_config(unet, head_dim=16)
    for name, cls, arguments, state in (
        ("unet", "UNet2DConditionModel", config, unet_state(unet, 2)),
        ("vae", "AutoencoderKL", vae_config(vae), vae_state(vae)),
    ):
        (folder / name).mkdir()
        content = {"_class_name": cls, "_diffusers_version": "0.8.0", **arguments}
        (folder / name / "config.json").write_text(json.dumps(content))
        save_file(
            {key: value.contiguous() for key, value in state.items()},
            folder / name / "diffusion_pytorch_model.safetensors",
        )
    return folder


def equal(ours, theirs) -> bool:
    ours, theirs = ours.state_dict(), theirs.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def base(denoiser) -> dict[str, torch.Tensor]:
    return {k: v for k, v in denoiser.state_dict().items() if ".sft." not in k}


def test_a_folder_and_a_file_give_the_same_networks(folder, file) -> None:
    assert equal(load_vae(folder), load_vae(file))
    ours, theirs = load_denoiser(folder, **SFT), load_denoiser(file, head_dim=16, **SFT)
    assert ours.config.unet["attention_head_dim"] == theirs.config.unet["attention_head_dim"]
    assert base(ours).keys() == base(theirs).keys()
    assert all(torch.equal(value, base(theirs)[name]) for name, value in base(ours).items())
    assert ours.config.guidance_channels == 8


def test_a_hub_id_is_downloaded_at_its_revision(folder, monkeypatch) -> None:
    asked = {}

    def download(repository, **options):
        asked.update(options, repository=repository)
        return str(folder)

    monkeypatch.setattr(base_model, "snapshot_download", download)
    assert equal(load_vae("owner/name", revision="abc123"), load_vae(folder))
    assert (asked["repository"], asked["revision"]) == ("owner/name", "abc123")
    assert "vae/*.safetensors" in asked["allow_patterns"]
    assert not [pattern for pattern in asked["allow_patterns"] if "*.bin" in pattern]


def test_offline_the_hub_is_not_asked(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SegSRError) as error:
        load_vae("owner/name")
    assert "could not be downloaded" in str(error.value)
    for choice in ("base_model=FOLDER", "base_model=FILE", "base_model=OWNER/NAME"):
        assert choice in str(error.value)


def test_the_digest_of_a_file_is_checked(file, folder) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    load_vae(file, sha256=digest)
    with pytest.raises(SegSRError, match="has the sha256"):
        load_vae(file, sha256="0" * 64)
    with pytest.raises(SegSRError, match="sha256 is that of a single file"):
        load_vae(folder, sha256=digest)


def test_what_is_not_there_is_told_with_the_choices(tmp_path, folder) -> None:
    with pytest.raises(SegSRError, match=r"no base model 'no/such/place': give base_model=FOLDER"):
        load_vae("no/such/place")
    with pytest.raises(SegSRError, match=r"no readable unet .*config.json is missing.*base_model="):
        load_denoiser(folder / "vae")
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(SegSRError, match=r"no first_stage_model.\*, but names such as a"):
        load_vae(tmp_path / "other.safetensors")
    with pytest.raises(SegSRError, match=r"no model.diffusion_model.\*"):
        load_denoiser(tmp_path / "other.safetensors")


def test_old_names_of_an_autoencoders_attention_are_known(folder, tmp_path) -> None:
    """Stable Diffusion 2.1's own folder has them."""
    (tmp_path / "vae").mkdir()
    for name in ("config.json", "diffusion_pytorch_model.safetensors"):
        (tmp_path / "vae" / name).write_bytes((folder / "vae" / name).read_bytes())
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in load_file(path).items():
        for new, name in old.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{name}.")
        state[key] = value
    assert any("proj_attn" in key for key in state)
    save_file(state, path)
    assert equal(load_vae(tmp_path), load_vae(folder))


def test_the_stored_prompt_is_the_files_the_encoders_or_none(
    weights, file, tmp_path, caplog
) -> None:
    text = stablesr.text_encoder_weights()
    path = tmp_path / "with_text.safetensors"
    save_file({**weights, **text}, path)
    denoiser = load_denoiser(path, head_dim=16, **SFT)
    assert torch.equal(denoiser.prompt, empty_prompt(text))
    assert denoiser.config.prompt_tokens == 7
    own = torch.randn(3, 24)
    save_prompt(tmp_path / "own.safetensors", own)
    given = load_denoiser(path, head_dim=16, prompt_embedding=tmp_path / "own.safetensors", **SFT)
    assert torch.equal(given.prompt, own)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        bare = load_denoiser(file, head_dim=16, **SFT)
    assert "stored prompt is zeros" in caplog.text
    assert bare.prompt.shape == (77, 24)
    assert not bare.prompt.any()
