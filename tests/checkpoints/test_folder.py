"""Model folders: what is saved is what is loaded, and nothing in a file chooses code to run."""

import json
import resource
import time

import pytest
import tiny
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from segsr import JointSegSR, SegSRPipeline
from segsr.checkpoints.folder import find_folder, load_component, save_folder
from segsr.diffusion.noise import keyed
from segsr.errors import SegSRError
from segsr.model.image_branch import ImageBranch
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.tasks.srdm import SRDM


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
    assert loaded.srdm.branch.residual_scale == model.srdm.branch.residual_scale
    assert loaded.srdm.branch.steps == model.srdm.branch.steps
    assert loaded.segdm.branch.factor == model.segdm.branch.factor
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
    controller = model.srdm.branch.controller
    save_folder(tmp_path, {"controller": controller}, {}, dtype=torch.bfloat16)
    loaded = load_component(tmp_path, "controller")
    for ours, theirs in zip(loaded.parameters(), controller.parameters(), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-6)
    assert next(controller.parameters()).dtype == torch.float32


def test_stages_write_into_one_folder(tmp_path) -> None:
    tiny.srdm().save_pretrained(tmp_path)
    tiny.mask_branch(mask_schedule="cosine").save_pretrained(tmp_path)
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
    with pytest.raises(SegSRError, match=r"instead of \(16,"):
        load_component(folder, "controller")


def test_weights_with_a_key_missing_are_refused(folder) -> None:
    path = folder / "bridge" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    del state["class_embedding.weight"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(SegSRError, match=r"class_embedding\.weight"):
        load_component(folder, "bridge")


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("controller", {"channels": [10**9, 10**9, 10**9]}),
        ("controller", {"guidance_channels": 10**30}),
        ("controller", {"depth": 10**6}),
        ("controller", {"channels": [2**20] * 3}),
        ("denoiser", {"unet": {**tiny.UNET, "block_out_channels": [10**9, 10**9]}}),
        ("denoiser", {"unet": {**tiny.UNET, "layers_per_block": 10**6}}),
        ("prior", {"segformer": {"depths": [2**20, 1, 1, 1]}}),
        ("seg_denoiser", {"num_classes": 2**20, "width": 2**20}),
    ],
)
def test_absurd_sizes_are_refused_before_they_take_memory(folder, component, change) -> None:
    path = folder / component / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(SegSRError, match=rf"{component}.*(damaged|get it anew)"):
        load_component(folder, component)
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("denoiser", {"unet": {**tiny.UNET, "_target_": "os.system"}}),
        ("denoiser", {"unet": {**tiny.UNET, "down_block_types": ["os.system", "DownBlock2D"]}}),
        ("denoiser", {"unet": {**tiny.UNET, "act_fn": "os.system"}}),
        ("denoiser", {"unet": "os.system"}),
        ("denoiser", {"quantization_config": {"quant_method": "bitsandbytes"}}),
        ("controller", {"auto_map": {"AutoModel": "code.Model"}}),
        ("prior", {"segformer": {"auto_map": {"AutoConfig": "code.Config"}}}),
        ("prior", {"segformer": {"attn_implementation": "owner/kernel"}}),
        ("prior", {"segformer": {"_attn_implementation": "owner/kernel"}}),
        ("controller", {"_class_name": ["ImageController"]}),
    ],
)
def test_a_nested_name_is_never_code(folder, component, change) -> None:
    path = folder / component / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SegSRError, match=component):
        load_component(folder, component)


@pytest.mark.parametrize("text", ["[1, 2]", '"text"', "{", "[" * 100_000, "\x00", "{}"])
@pytest.mark.parametrize(
    "file", ["controller/config.json", "scheduler/scheduler_config.json", "segsr.json"]
)
def test_json_that_is_no_such_object_is_refused(folder, file, text) -> None:
    (folder / file).write_text(text)
    with pytest.raises(SegSRError, match=file):
        JointSegSR.from_pretrained(folder)


def test_a_huge_json_is_not_parsed(folder) -> None:
    (folder / "controller" / "config.json").write_text("{" + " " * (1 << 20) + "}")
    with pytest.raises(SegSRError, match="larger than 1 MiB"):
        load_component(folder, "controller")


@pytest.mark.parametrize(
    "change",
    [
        {"num_train_timesteps": 10**12},
        {"beta_schedule": "os.system"},
        {"trained_betas": "text"},
        {"beta_start": [1, 2]},
    ],
)
def test_a_scheduler_of_absurd_settings_is_refused(folder, change) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SegSRError, match="scheduler_config"):
        JointSegSR.from_pretrained(folder)


@pytest.mark.parametrize("settings", [{"srdm": 3}, {"srdm": {"steps": [1]}}, {"segdm": [1]}])
def test_settings_are_plain_values(folder, settings) -> None:
    (folder / "segsr.json").write_text(json.dumps({"format": 1, **settings}))
    with pytest.raises(SegSRError, match="plain values"):
        JointSegSR.from_pretrained(folder)


def test_damaged_weights_are_refused(folder) -> None:
    path = folder / "controller" / "diffusion_pytorch_model.safetensors"
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"\xff" * 8 + whole[8:], whole + b"x"):
        path.write_bytes(damaged)
        with pytest.raises(SegSRError, match="no readable safetensors"):
            load_component(folder, "controller")
    state = tiny.controller().state_dict()
    name = "encoder.conv_in.weight"
    save_file({**state, name: state[name].transpose(0, 1).contiguous()}, path)
    with pytest.raises(SegSRError, match=rf"{name} is \(12, 8, 3, 3\) instead of \(8, 12, 3, 3\)"):
        load_component(folder, "controller")


def test_the_controllable_decoder_is_optional(tmp_path) -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=tiny.LATENTS,
        norm_num_groups=4,
    )
    parts = (tiny.controller(), tiny.denoiser(), tiny.scheduler())
    plain = SRDM(ImageBranch(vae, *parts, steps=2)).eval()
    cfw = ControllableDecoder((8,), depth=1, growth=2, norm_groups=4)
    faithful = SRDM(ImageBranch(vae, *parts, steps=2, cfw=cfw, fidelity=0.75)).eval()
    assert not any(p.requires_grad for p in faithful.branch.autoencoder.parameters())
    plain.save_pretrained(tmp_path / "plain")
    faithful.save_pretrained(tmp_path / "faithful")
    assert SRDM.from_pretrained(tmp_path / "plain").branch.autoencoder.cfw is None
    loaded = SRDM.from_pretrained(tmp_path / "faithful")
    assert loaded.branch.fidelity == 0.75
    lq = torch.rand(1, 3, 8, 16)

    def restore(model, **options):
        return model.restore(lq, keyed(1), **options)

    assert torch.equal(restore(loaded), restore(faithful))
    assert not torch.equal(restore(faithful), restore(plain))
    assert torch.equal(restore(loaded, fidelity=0.0), restore(plain))


def test_weights_that_are_not_finite_are_refused(model, folder) -> None:
    path = folder / "bridge" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    broken = next(name for name in state if name.endswith("weight"))
    state[broken].flatten()[0] = torch.nan
    save_file(state, path)
    sentence = rf"bridge hold values that are not finite, in {broken}: .* earlier checkpoint"
    with pytest.raises(SegSRError, match=sentence):
        JointSegSR.from_pretrained(folder)
    with pytest.raises(SegSRError, match=sentence):
        load_component(folder, "bridge")
