"""The seg prior: SegFormer on the LQ image, its fused feature F_lq and its first mask."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STRIDE = 4
"""Pixels per cell of SegFormer's fused feature and logits."""


class Prior(NamedTuple):
    """What the prior says of an LQ image, at a quarter of its resolution."""

    features: Float[Tensor, "b c h w"]
    logits: Float[Tensor, "b k h w"]


class SegPrior(ModelMixin, ConfigMixin):
    """SegFormer, fine-tuned on LQ images (paper section 3.3).

    Args:
        num_classes: Classes of the mask.
        segformer: Keyword arguments of `transformers.SegformerConfig`; B0 if empty.
    """

    @register_to_config
    def __init__(self, num_classes: int = 34, segformer: dict[str, Any] | None = None) -> None:
        super().__init__()
        known = inspect.signature(SegformerConfig).parameters
        if foreign := [name for name in segformer or {} if name not in known]:
            # Others, which it would take too, can name code of the hub (attn_implementation).
            raise ValueError(f"segformer has no {', '.join(foreign)}: see transformers' config.")
        config = SegformerConfig(num_labels=num_classes, **(segformer or {}))
        self.net = SegformerForSemanticSegmentation(config)
        self.net.decode_head.classifier = nn.Identity()  # the head now returns its fused feature
        self.classifier = nn.Conv2d(config.decoder_hidden_size, num_classes, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    @property
    def feature_channels(self) -> int:
        """Channels of the fused feature F_lq."""
        return int(self.net.config.decoder_hidden_size)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Prior:
        """Return F_lq and the mask logits of `images` (RGB in [0, 1]), at stride 4."""
        features = self.net(pixel_values=(images - self.mean) / self.std).logits
        return Prior(features, self.classifier(features))
