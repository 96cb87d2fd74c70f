"""The blocks of the networks: what checkpointing recomputes and FSDP gathers at a time."""

from __future__ import annotations

from collections.abc import Iterator

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import nn
from transformers.models.segformer.modeling_segformer import SegformerLayer

from segsr.nets.sft import GuidedResnetBlock

_BLOCKS = (GuidedResnetBlock, ResnetBlock2D, BasicTransformerBlock, Attention, SegformerLayer)


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost residual and attention blocks within `module`, each once."""
    yield from dict.fromkeys(_outermost(module))


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, _BLOCKS):
        yield module
        return
    for child in module.children():
        yield from _outermost(child)
