"""Tiny segmentation models of transformers with random weights, written as public checkpoints are.

`write_model(kind, folder)` saves network and image processor (and OneFormer's tokenizer) with
`save_pretrained`; the labels are ADE20K's 150, in the spelling of the kind's public checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPTokenizer,
    EomtConfig,
    EomtForUniversalSegmentation,
    EomtImageProcessor,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    MaskFormerConfig,
    MaskFormerForInstanceSegmentation,
    MaskFormerImageProcessor,
    OneFormerConfig,
    OneFormerForUniversalSegmentation,
    OneFormerImageProcessor,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    SwinConfig,
)

from segsr.vocabularies import ADE20K_150

ADE20K_NAMES = tuple(name.split(",")[0] for name, _ in ADE20K_150)
"""ADE20K's labels in SegFormer's spelling."""

SIDE = 64
"""Pixels that the tiny models see."""


def write_model(
    kind: str,
    folder: Path,
    *,
    labels: Sequence[str] | None = ADE20K_NAMES,
    seed: int = 11,
    **options: Any,
) -> Path:
    """Return `folder`, in which a tiny model of `kind` stands.

    Args:
        kind: One of `KINDS`.
        folder: Created if need be.
        labels: Names by label; None for as many without a name as ADE20K has.
        seed: Of the weights.
        options: What differs in the image processor, such as `size`.
    """
    names = [f"LABEL_{i}" for i in range(150)] if labels is None else list(labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net, processor = KINDS[kind](dict(enumerate(names)), options)
        with torch.no_grad():
            for name, weight in net.named_parameters():  # so that places and labels differ
                if ("quer" in name and "embed" in name) or name == "query.weight":
                    weight.normal_(std=2)
                elif weight.dim() > 1:
                    gain = 8 if "class" in name else 3 if "mask" in name else 1.5
                    weight.normal_(std=gain * weight[0].numel() ** -0.5)
    net.save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind == "oneformer":
        _tokenizer().save_pretrained(folder)
    return Path(folder)


def _swin() -> SwinConfig:
    return SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def _eomt(id2label: dict[int, str], options: dict[str, Any]) -> tuple[Any, Any]:
    config = EomtConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        mlp_ratio=2,
        num_blocks=1,
        num_queries=20,
        num_register_tokens=1,
        id2label=id2label,
    )
    net = EomtForUniversalSegmentation(config)
    net.attn_mask_probs.zero_()  # as at the end of training: no masked attention
    semantic = {"size": {"shortest_edge": SIDE, "longest_edge": None}, "do_split_image": True}
    return net, EomtImageProcessor(**(semantic | options))


def _mask2former(id2label: dict[int, str], options: dict[str, Any]) -> tuple[Any, Any]:
    config = Mask2FormerConfig(
        backbone_config=_swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=20,
        id2label=id2label,
    )
    size = {"size": {"shortest_edge": SIDE, "longest_edge": 3 * SIDE}}
    return (
        Mask2FormerForUniversalSegmentation(config),
        Mask2FormerImageProcessor(**(size | options)),
    )


def _maskformer(id2label: dict[int, str], options: dict[str, Any]) -> tuple[Any, Any]:
    config = MaskFormerConfig(
        backbone_config=_swin(),
        decoder_config={
            "model_type": "detr",
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "num_queries": 20,
        },
        fpn_feature_size=32,
        mask_feature_size=32,
        id2label=id2label,
    )
    size = {"size": {"shortest_edge": SIDE, "longest_edge": 3 * SIDE}}
    return MaskFormerForInstanceSegmentation(config), MaskFormerImageProcessor(**(size | options))


def _oneformer(id2label: dict[int, str], options: dict[str, Any]) -> tuple[Any, Any]:
    config = OneFormerConfig(
        backbone_config=_swin(),
        num_queries=20,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        query_dec_layers=1,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=600,
        task_seq_len=12,
        id2label=id2label,
    )
    size = {"size": {"shortest_edge": SIDE, "longest_edge": 3 * SIDE}}
    # as public checkpoints say; the file is on the hub and for training
    extra = {"class_info_file": "ade20k_panoptic.json", "num_text": 4}
    processor = OneFormerImageProcessor(**(size | options))
    for name, value in extra.items():
        setattr(processor, name, value)
    return OneFormerForUniversalSegmentation(config), processor


def _segformer(id2label: dict[int, str], options: dict[str, Any]) -> tuple[Any, Any]:
    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        decoder_hidden_size=16,
        id2label=id2label,
    )
    size = {"size": {"height": SIDE, "width": SIDE}}
    return SegformerForSemanticSegmentation(config), SegformerImageProcessor(**(size | options))


def _tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer without merges: one token per letter."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[special] = len(vocabulary)
    return CLIPTokenizer(vocab=vocabulary, merges=[])


KINDS: dict[str, Callable[[dict[int, str], dict[str, Any]], tuple[Any, Any]]] = {
    "eomt": _eomt,
    "mask2former": _mask2former,
    "maskformer": _maskformer,
    "oneformer": _oneformer,
    "segformer": _segformer,
}
"""How each kind is built, from its labels and what differs in its image processor."""
