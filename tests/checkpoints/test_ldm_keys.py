"""The key maps from LDM to diffusers, against the converter that diffusers itself has."""

import pytest
import stablesr
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from segsr.checkpoints.ldm_keys import (
    FIRST_STAGE,
    UNET,
    levels_of,
    take,
    unet_config,
    unet_state,
    vae_config,
    vae_state,
)
from segsr.errors import SegSRError


def unet(convolutions: bool = False) -> dict[str, torch.Tensor]:
    """A Stable Diffusion 2 at small size; with projections by 1x1 convolutions, a 1."""
    weights = {k: v for k, v in stablesr.tiny_weights().items() if k.startswith(UNET)}
    weights = {k: v for k, v in weights.items() if ".spade." not in k}
    if convolutions:
        ends = ("proj_in.weight", "proj_out.weight")
        weights = {k: v[..., None, None] if k.endswith(ends) else v for k, v in weights.items()}
    return weights


@pytest.mark.parametrize("convolutions", [False, True])
def test_a_unet_is_what_diffusers_converts(convolutions) -> None:
    weights = unet(convolutions)
    below = take(weights, UNET)
    config = unet_config(below, head_dim=None if convolutions else 16)
    ours = unet_state(below, config["layers_per_block"])
    theirs = convert_ldm_unet_checkpoint(weights, {"layers_per_block": 2})
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    UNet2DConditionModel(**config).load_state_dict(ours)
    assert config["use_linear_projection"] is not convolutions
    assert config["attention_head_dim"] == ([8, 8, 8, 8] if convolutions else [2, 4, 8, 8])
    assert config["block_out_channels"] == [32, 64, 128, 128]
    assert config["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert config["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3


def test_an_autoencoder_is_what_diffusers_converts() -> None:
    weights = stablesr.first_stage_weights()
    config, ours = vae_config(take(weights, FIRST_STAGE)), vae_state(take(weights, FIRST_STAGE))
    theirs = convert_ldm_vae_checkpoint(weights, config)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    AutoencoderKL(**config).load_state_dict(ours)
    assert config["block_out_channels"] == [32, 64, 128, 128]
    assert config["layers_per_block"] == 2


def test_stable_diffusion_21_is_recognised_at_full_size() -> None:
    state = {k: v for k, v in stablesr.shapes("full").items() if ".spade." not in k}
    with torch.device("meta"):
        below = take({name: torch.empty(shape) for name, shape in state.items()}, UNET)
        config = unet_config(below)
        network = UNet2DConditionModel(**config)
    assert sum(p.numel() for p in network.parameters()) == 865_910_724
    assert config["attention_head_dim"] == [5, 10, 20, 20]
    ours = unet_state(below, 2)
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


def test_levels_are_read_off_the_downsamplings() -> None:
    for ends, expected in (([3], ([1, 4], 2)), ([2, 4], ([1, 3, 5], 1)), ([], ([1], 5))):
        blocks = {3: 6, 2: 6, 0: 6}[ends[0] if ends else 0]
        state = {
            f"input_blocks.{i}.0.{'op' if i in ends else 'in_layers.2'}.weight": torch.ones(1)
            for i in range(blocks)
        }
        assert levels_of(state) == expected


def test_levels_of_unequal_depth_and_damaged_names_are_refused() -> None:
    state = {f"input_blocks.{i}.0.in_layers.2.weight": torch.ones(1) for i in range(6)}
    state["input_blocks.2.0.op.weight"] = torch.ones(1)
    with pytest.raises(SegSRError, match="equally many blocks"):
        levels_of(state)
    with pytest.raises(SegSRError, match="jump to the number 999999999"):
        levels_of({**state, "input_blocks.999999999.0.op.weight": torch.ones(1)})


def test_what_has_no_place_is_refused_by_name() -> None:
    below = take(unet(), UNET)
    for name in ("input_blocks.1.0.in_layers.9.weight", "middle_block.7.x", "out.3.weight"):
        with pytest.raises(SegSRError, match=rf"1 names .*{name}"):
            unet_state({**below, name: torch.ones(1)}, 2)
    twice = "output_blocks.2.0.conv.weight"  # where output_blocks.2.1.conv.weight already goes
    with pytest.raises(SegSRError, match=r"output_blocks\.2\.[01]\.conv\.weight"):
        unet_state({**below, twice: torch.ones(1)}, 2)
