"""StableSR's checkpoints: the imported networks compute what the public code computes."""

import json

import pytest
import stablesr
import torch
from safetensors.torch import load_file, save_file

from segsr import cli
from segsr.checkpoints.folder import load_component, load_scheduler
from segsr.checkpoints.prompt import empty_prompt, load_prompt, save_prompt
from segsr.checkpoints.stablesr import import_stablesr, read_cfw, read_stablesr
from segsr.diffusion.noise import keyed
from segsr.errors import SegSRError
from segsr.tasks.srdm import SRDM

REFERENCE = load_file(stablesr.FIXTURES / "stablesr_tiny.safetensors")
SCHEDULE = {name: torch.linspace(0.1, 0.9, 1000) for name in ("betas", "posterior_mean_coef1")}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """As Lightning wrote the public one: a nested state dict with the schedule's buffers."""
    path = tmp_path_factory.mktemp("ckpt") / "stablesr.ckpt"
    state = {**stablesr.tiny_weights(), **stablesr.first_stage_weights(), **SCHEDULE}
    state["model_ema.decay"] = torch.tensor(0.99)
    torch.save({"state_dict": state, "epoch": 117, "global_step": 1}, path)
    return path


@pytest.fixture(scope="module")
def folder(checkpoint):
    output = checkpoint.parent / "imported"
    arguments = ["stablesr", str(checkpoint), "-o", str(output), "--head-dim", "16"]
    assert cli.main(["import", *arguments]) == 0
    return output


def test_the_imported_networks_are_the_public_codes(folder) -> None:
    controller, denoiser = (load_component(folder, name) for name in ("controller", "denoiser"))
    seen = {}

    def watch(name, module):
        module.register_forward_hook(lambda _, __, output: seen.update({name: output}))

    watch("unet.input_blocks.1.0", denoiser.net.down_blocks[0].resnets[0])
    watch("unet.input_blocks.1", denoiser.net.down_blocks[0].attentions[0])
    watch("unet.middle_block", denoiser.net.mid_block)
    watch("unet.output_blocks.0", denoiser.net.up_blocks[0].resnets[0])
    t = REFERENCE["in.timesteps"]
    with torch.no_grad():
        maps = controller(REFERENCE["in.lq_latent"], t)
        seen["eps"] = denoiser(REFERENCE["in.z_t"], t, maps, REFERENCE["in.context"])
    seen |= {f"struct_cond.{value.shape[-1]}": value for value in maps}
    expected = {k[4:]: v for k, v in REFERENCE.items() if k.startswith("out.")}
    assert len(expected) == 9
    assert expected.keys() <= seen.keys()
    for name, value in expected.items():
        ours = seen[name][0] if isinstance(seen[name], tuple) else seen[name]
        torch.testing.assert_close(ours, value, rtol=0, atol=1e-4 * float(value.abs().max()))


def test_heads_are_no_detail(checkpoint) -> None:
    """The reference is missed if either network is given other heads than it was trained with."""
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    t, size = REFERENCE["in.timesteps"], float(REFERENCE["out.eps"].abs().max())
    for options in ({"head_dim": 32}, {"head_dim": 16, "encoder_heads": 2}):
        read = read_stablesr(state, **options).components
        with torch.no_grad():
            maps = read["controller"](REFERENCE["in.lq_latent"], t)
            eps = read["denoiser"](REFERENCE["in.z_t"], t, maps, REFERENCE["in.context"])
        assert float((eps - REFERENCE["out.eps"]).abs().max()) > 1e-3 * size


def test_an_imported_folder_restores(folder) -> None:
    model = SRDM.from_pretrained(folder)
    branch = model.branch
    assert (branch.residual_scale, branch.steps, branch.multiple) == (None, 200, 64)
    assert [int(t) for t in branch.timed_scheduler(3).timesteps] == [999, 500, 0]
    lq = torch.rand(1, 3, 16, 32)
    images = [model.restore(lq, keyed(0), steps=2, start="lq") for _ in range(2)]
    assert images[0].shape == (1, 3, 64, 128)
    assert torch.equal(images[0], images[1])
    assert {path.name for path in folder.iterdir()} == {
        "autoencoder", "controller", "denoiser", "scheduler", "segsr.json",
    }  # fmt: skip


def test_the_full_key_list_maps_without_remainder() -> None:
    full = stablesr.shapes("full")
    assert len(full) == 862 + 200 + 248
    with torch.device("meta"):
        read = read_stablesr({name: torch.empty(shape) for name, shape in full.items()})
    count = {
        name: sum(p.numel() for p in network.parameters())
        for name, network in read.components.items()
    }
    assert count == {
        "denoiser": 865_910_724 + 53_020_160,
        "controller": 52_494_080,
        "autoencoder": 83_653_863,
    }
    assert not read.set_aside
    config = read.components["denoiser"].config.unet
    assert config["attention_head_dim"] == [5, 10, 20, 20]
    assert config["cross_attention_dim"] == 1024
    assert read.components["denoiser"].prompt.shape == (77, 1024)


def test_the_layouts_of_these_tests_are_the_public_codes() -> None:
    options = {"mult": (1, 2, 4, 4), "depth": 2, "attending": (0, 1, 2), "guidance": 64}
    made = stablesr.networks(**options, context=24, hidden=128)
    options["mult"] = (1, 1, 2, 2)
    made |= stablesr.networks(64, **options, encoder=True)
    assert {name: list(value.shape) for name, value in made.items()} == stablesr.shapes("tiny")


@pytest.mark.parametrize(
    "layout",
    [
        {"mult": (1,), "attending": ()},
        {"mult": (1, 2), "depth": 1, "attending": (1,)},
        {"mult": (1, 1, 3), "depth": 3, "attending": (0, 2), "context": 20},
        {"mult": (1, 2, 2, 2, 2), "depth": 1, "attending": (), "guidance": 64},
    ],
)
def test_other_layouts_are_read_off_names_and_shapes(layout) -> None:
    state = {**stablesr.networks(**layout), **stablesr.networks(**layout, encoder=True)}
    read = read_stablesr(state, head_dim=8)
    assert not read.set_aside
    denoiser, controller = read.components["denoiser"], read.components["controller"]
    stored = sum(p.numel() for net in (denoiser, controller) for p in net.parameters())
    assert stored == sum(value.numel() for value in state.values())
    z, t = torch.randn(1, 4, 16, 32), torch.tensor([37])
    with torch.no_grad():
        maps = controller(z, t)
        context = torch.randn(1, 3, layout.get("context", 12))
        assert denoiser(z, t, maps, context).isfinite().all()
    assert [m.shape[-1] for m in maps] == [32 >> level for level in range(len(layout["mult"]))]


def test_what_is_not_read_is_accounted_for(checkpoint, capsys, tmp_path) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    path = tmp_path / "more.safetensors"
    save_file({**state, "stray.weight": torch.ones(2)}, path)
    arguments = ["stablesr", str(path), "-o", str(tmp_path / "out"), "--head-dim", "16"]
    assert cli.main(["import", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "noise schedule, computed anew (2): betas, posterior_mean_coef1" in printed
    assert "averaged copy of weights that are read (1): model_ema.decay" in printed
    assert "not known (1): stray.weight" in printed
    assert "the stored prompt is zeros" in printed
    read = read_stablesr({**state, "stray.weight": torch.ones(2)}, head_dim=16)
    stored = {
        "denoiser": "model.diffusion_model.",
        "controller": "structcond_stage_model.",
        "autoencoder": "first_stage_model.",
    }
    left = [key for keys in read.set_aside.values() for key in keys]
    taken = [key for key in state if key.startswith(tuple(stored.values()))]
    assert sorted([*left, *taken]) == sorted([*state, "stray.weight"])


@pytest.mark.parametrize(
    "key",
    [
        "model.diffusion_model.input_blocks.1.0.extra.weight",
        "model.diffusion_model.label_emb.weight",
        "structcond_stage_model.out.2.weight",
        "structcond_stage_model.input_blocks.1.1.qkv.scale",
        "first_stage_model.encoder.down.0.attn.0.q.weight",
    ],
)
def test_an_unknown_part_of_a_network_is_refused_by_name(checkpoint, key) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    with pytest.raises(SegSRError, match=key.replace(".", r"\.").partition("_model")[2]):
        read_stablesr({**state, key: torch.ones(8)}, head_dim=16)


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("model.diffusion_model.output_blocks.5.0.spade.mlp_beta.bias", r"resnets\.2\.sft\.beta"),
        ("model.diffusion_model.middle_block.1.proj_in.weight", r"middle_block\.1\.proj_in"),
        ("structcond_stage_model.input_blocks.4.1.qkv.bias", r"levels\.1\.attentions\.0\.to_q"),
        ("structcond_stage_model.fea_tran.3.skip_connection.weight", r"taps\.3\.conv_shortcut"),
        ("first_stage_model.quant_conv.bias", r"quant_conv\.bias"),
    ],
)
def test_a_missing_tensor_is_named(checkpoint, key, ours) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    del state[key]
    with pytest.raises(SegSRError, match=ours):
        read_stablesr(state, head_dim=16)


def test_heads_that_do_not_fit_are_refused(checkpoint) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    with pytest.raises(SegSRError, match=r"64 of .*\[32, 64, 128, 128\].*head dimension"):
        read_stablesr(state)
    with pytest.raises(SegSRError, match=r"7 attention heads do not divide .*\[64, 64, 128, 128\]"):
        read_stablesr(state, head_dim=16, encoder_heads=7)
    with pytest.raises(SegSRError, match=r"no model.diffusion_model.\*, but names such as betas"):
        read_stablesr({"betas": torch.ones(3)})


def test_autoencoder_and_prompt_may_come_from_elsewhere_or_be_absent(tmp_path, folder) -> None:
    path, base = tmp_path / "networks.safetensors", tmp_path / "base.ckpt"
    save_file(stablesr.tiny_weights(), path)
    text = stablesr.text_encoder_weights()
    torch.save({**stablesr.first_stage_weights(), **text}, base)
    read = import_stablesr(path, tmp_path / "bare", head_dim=16)
    assert "no autoencoder" in " ".join(read.notes)
    with pytest.raises(SegSRError, match=r"autoencoder/config.json is missing"):
        SRDM.from_pretrained(tmp_path / "bare")
    read = import_stablesr(path, tmp_path / "full", head_dim=16, base_model=base)
    assert str(base) in " ".join(read.notes)
    assert torch.equal(load_component(tmp_path / "full", "denoiser").prompt, empty_prompt(text))
    ours, theirs = (
        load_component(where, "autoencoder").state_dict() for where in (tmp_path / "full", folder)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_text_encoders_empty_prompt_is_stored() -> None:
    text = stablesr.text_encoder_weights()
    read = read_stablesr({**stablesr.tiny_weights(), **text}, head_dim=16)
    assert torch.equal(read.components["denoiser"].prompt, empty_prompt(text))
    assert read.components["denoiser"].config.prompt_tokens == 7
    (kept,) = [keys for reason, keys in read.set_aside.items() if "empty prompt" in reason]
    assert sorted(kept) == sorted(text)


def test_a_prompt_of_ones_own_is_stored(tmp_path) -> None:
    weights = stablesr.tiny_weights()
    prompt = torch.randn(5, 24)
    save_prompt(tmp_path / "prompt.safetensors", prompt)
    save_file(weights, tmp_path / "networks.safetensors")
    import_stablesr(
        tmp_path / "networks.safetensors",
        tmp_path / "out",
        prompt_embedding=tmp_path / "prompt.safetensors",
        head_dim=16,
        prediction_type="v_prediction",
    )
    denoiser, controller = (load_component(tmp_path / "out", n) for n in ("denoiser", "controller"))
    assert torch.equal(denoiser.prompt, load_prompt(tmp_path / "prompt.safetensors"))
    assert load_scheduler(tmp_path / "out").config.prediction_type == "v_prediction"
    t, z = REFERENCE["in.timesteps"], REFERENCE["in.z_t"]
    with torch.no_grad():
        maps = controller(z, t)
        stored, given = denoiser(z, t, maps), denoiser(z, t, maps, prompt.expand(2, -1, -1))
    assert torch.equal(stored, given)
    save_prompt(tmp_path / "prompt.safetensors", torch.randn(5, 32))
    with pytest.raises(SegSRError, match=r"\(5, 32\), but the U-Net reads \(5, 24\)"):
        import_stablesr(
            tmp_path / "networks.safetensors",
            tmp_path / "out",
            prompt_embedding=tmp_path / "prompt.safetensors",
            head_dim=16,
        )


def test_cfw_is_imported_beside_its_own_autoencoder(checkpoint, tmp_path) -> None:
    vae = {
        k.removeprefix("first_stage_model."): v for k, v in stablesr.first_stage_weights().items()
    }
    fusions = stablesr.cfw_weights({2: 128, 1: 64})
    loss = {"loss.logvar": torch.zeros(())}
    torch.save({"state_dict": {**vae, **fusions, **loss}}, tmp_path / "cfw.ckpt")
    output = tmp_path / "out"
    read = import_stablesr(checkpoint, output, cfw=tmp_path / "cfw.ckpt", head_dim=16)
    assert read.components["cfw"].config.channels == [128, 64]
    assert not [note for note in read.notes if "another one" in note]
    assert sorted(read.set_aside["CFW's copy of the autoencoder"]) == sorted(vae)
    assert "loss.logvar" in read.set_aside["the autoencoder's training loss"]
    model = SRDM.from_pretrained(output)
    assert model.branch.fidelity == 0.5
    assert sum(p.numel() for p in model.branch.autoencoder.cfw.parameters()) == sum(
        value.numel() for value in fusions.values()
    )
    other = {**vae, "quant_conv.weight": vae["quant_conv.weight"] + 1}
    torch.save({**other, **fusions}, tmp_path / "other.ckpt")
    read = import_stablesr(checkpoint, output, cfw=tmp_path / "other.ckpt", head_dim=16)
    assert "another one" in " ".join(read.notes)


def test_a_cfw_of_another_autoencoder_is_refused(checkpoint, tmp_path) -> None:
    torch.save(stablesr.cfw_weights({2: 64, 1: 32}), tmp_path / "cfw.ckpt")
    with pytest.raises(SegSRError, match=r"widths \[64, 32\], but .* \[128, 64\]"):
        import_stablesr(checkpoint, tmp_path / "out", cfw=tmp_path / "cfw.ckpt", head_dim=16)


def test_a_file_without_cfw_or_with_more_is_refused() -> None:
    with pytest.raises(SegSRError, match=r"no decoder.fusion_layer_\*"):
        read_cfw(stablesr.first_stage_weights())
    fusions = stablesr.cfw_weights({1: 64})
    with pytest.raises(SegSRError, match=r"fusion_layer_1\.encode_enc_4"):
        read_cfw({**fusions, "decoder.fusion_layer_1.encode_enc_4.norm1.weight": torch.ones(2)})
    del fusions["decoder.fusion_layer_1.encode_enc_2.1.rdb3.conv5.bias"]
    with pytest.raises(SegSRError, match=r"fusions\.0\.dense\.1\.blocks\.2\.convs\.4\.bias"):
        read_cfw(fusions)


def test_the_settings_are_stablesrs(folder) -> None:
    settings = json.loads((folder / "segsr.json").read_text())
    assert settings["srdm"] == {
        "residual_scale": None,
        "steps": 200,
        "temperature": 1.0,
        "colour": "adain",
    }
    scheduler = load_scheduler(folder)
    assert float(scheduler.alphas_cumprod[999]) == pytest.approx(0.0046601, abs=1e-7)
