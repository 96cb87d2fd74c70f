"""Every name of the public checkpoints is read or set aside, and nothing runs on reading."""

import pytest
import torch
from safetensors.torch import save_file

from segsr.errors import SegSRError
from segsr.labeling.xdecoder.checkpoint import (
    infer_config,
    load_backbone,
    load_xdecoder,
    read_xdecoder,
    rename,
)
from segsr.labeling.xdecoder.network import XDecoder

MASK = "sem_seg_head.predictor.self_attn_mask"


@pytest.mark.parametrize(
    ("model", "parameters", "depths"),
    [("focal_l", 341_551_353, (2, 2, 18, 2)), ("focal_t", 164_493_809, (2, 2, 6, 2))],
)
def test_every_tensor_of_the_public_models_has_its_place(shapes, model, parameters, depths) -> None:
    state = {k: torch.empty(s, device="meta") for k, s in shapes[model].items()}
    config = infer_config(state)
    assert config.depths == depths
    with torch.device("meta"):
        net = XDecoder(config)
    assert sum(p.numel() for p in net.parameters()) == parameters
    renamed, set_aside = rename(state)
    own = {k: v.shape for k, v in net.state_dict().items()}
    assert {k: v.shape for k, v in renamed.items()} == own
    assert sorted(k for keys in set_aside.values() for k in keys) == [
        "criterion.empty_weight",
        MASK,
    ]


@pytest.mark.parametrize("layout", ["plain", "nested", "safetensors"])
def test_a_file_of_any_layout_loads(weights, tmp_path, layout) -> None:
    path = tmp_path / ("x.safetensors" if layout == "safetensors" else "x.pt")
    if layout == "safetensors":
        save_file(weights, path)
    else:
        torch.save({"model": weights} if layout == "nested" else weights, path)
    read = read_xdecoder(path, heads=4, text_heads=4)
    stem = read.network.backbone.stem.proj.weight
    assert torch.equal(stem, weights["backbone.patch_embed.proj.weight"])
    assert sum(map(len, read.set_aside.values())) == 2


def test_a_file_that_would_run_code_is_refused(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"model": Trap()}, tmp_path / "x.pt")
    with pytest.raises(SegSRError, match="could run code"):
        read_xdecoder(tmp_path / "x.pt")


@pytest.mark.parametrize("content", [{"model": {}}, [1], {"model": {"a": 1}}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(SegSRError, match="state dict"):
        read_xdecoder(tmp_path / "x.pt")


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(SegSRError, match="no checkpoint"):
        read_xdecoder(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sem_seg_head.predictor.decoder_norm.bias": None}, "lacks 1 tensors"),
        ({"sem_seg_head.predictor.class_embed": None}, "lacks class_embed"),
        ({"sem_seg_head.predictor.extra": torch.zeros(1)}, "not known"),
        ({"head.weight": torch.zeros(1)}, "not known"),
        ({"backbone.norm2.bias": torch.zeros(7)}, "the other sizes ask for"),
    ],
)
def test_what_does_not_fit_is_refused(weights, change, message) -> None:
    state = {k: v for k, v in {**weights, **change}.items() if v is not None}
    with pytest.raises(SegSRError, match=message):
        load_xdecoder(state, heads=4, text_heads=4)


@pytest.mark.parametrize("heads", [0, 7])
def test_heads_that_do_not_divide_the_width_are_refused(weights, heads) -> None:
    with pytest.raises(SegSRError, match="heads must divide"):
        load_xdecoder(weights, heads=heads, text_heads=4)


def test_the_backbone_loads_alone(weights) -> None:
    alone = {k: v for k, v in weights.items() if k.startswith("backbone.")}
    whole = load_xdecoder(weights, heads=4, text_heads=4).network.backbone
    x = torch.rand(1, 3, 32, 64)
    for ours, expected in zip(load_backbone(alone)(x), whole(x), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    del alone["backbone.norm0.bias"]
    with pytest.raises(SegSRError, match="no FocalNet"):
        load_backbone(alone)


def test_focal_ts_backbone_loads_at_other_sizes(shapes) -> None:
    """A quarter of its channels, with the depthwise convolutions found in the names."""
    backbone = {k: s for k, s in shapes["focal_t"].items() if k.startswith("backbone.")}
    levels = 4  # gates of each block, which do not shrink
    state = {
        k: torch.randn(
            [
                (n - levels) // 4 + levels if ".modulation.f." in k and n % 96 else shrink(n)
                for n in s
            ]
        )
        for k, s in backbone.items()
    }
    net = load_backbone(state)
    assert [f.shape[1] for f in net(torch.rand(1, 3, 32, 32))] == [24, 48, 96, 192]
    first = state["backbone.layers.1.blocks.1.dw2.weight"]
    assert torch.equal(net.stages[1][1].dw2.weight, first)


def shrink(n: int) -> int:
    return n // 4 if n % 96 == 0 else n


def test_weights_of_captioning_may_be_missing(weights) -> None:
    names = ("backbone_proj", "sem_seg_head.predictor.caping_embed")
    fewer = {k: v for k, v in weights.items() if k not in names}
    assert len(fewer) == len(weights) - 2
    assert load_xdecoder(fewer, heads=4, text_heads=4).network is not None


def test_sizes_may_differ_where_the_public_models_agree(weights) -> None:
    """Other widths of masks and of the decoder, with the projection that the latter asks for."""
    config = infer_config(weights, heads=4, text_heads=4)
    net = XDecoder(type(config)(**{**vars(config), "width": 32, "mask_width": 48}))
    predictions = net(torch.rand(1, 3, 40, 70), torch.randn(3, config.embedding_width))
    assert predictions[-1].class_logits.shape == (1, 21, 3)
    assert predictions[-1].mask_logits.shape == (1, 21, 16, 24)
