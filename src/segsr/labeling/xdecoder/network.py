"""The whole X-Decoder: images and text embeddings to masks, classes and a score per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.labeling.base import Size
from segsr.labeling.xdecoder.focalnet import FocalNet
from segsr.labeling.xdecoder.pixel_decoder import PixelDecoder
from segsr.labeling.xdecoder.text_encoder import TextEncoder
from segsr.labeling.xdecoder.transformer_decoder import Prediction, TransformerDecoder

MULTIPLE = 32
"""Images are padded to multiples of it."""
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)
_AT_ONCE = 32
"""Queries whose masks are at full size in memory together."""


@dataclass(frozen=True)
class XDecoderConfig:
    """Every size of an X-Decoder.

    Attributes:
        backbone_width: Channels of the first stage.
        depths: Blocks of each stage.
        kernels: Sides of the focal kernels of each stage.
        mlp_width: Hidden channels of the backbone's MLPs per channel.
        depthwise: Whether the backbone is Focal-T's kind; else it is Focal-L's.
        pixel_width: Channels of the pixel decoder.
        mask_width: Channels of the pixel embeddings.
        encoder_layers: Layers of its transformer encoder.
        encoder_hidden: Width of the encoder's feed-forward networks.
        queries: Object queries and the class token.
        width: Channels of the transformer decoder.
        layers: Its layers.
        hidden: Width of its feed-forward networks.
        vocabulary: Tokens of the text encoder.
        context: Most tokens of a prompt.
        text_width: Channels of the text encoder.
        text_layers: Its layers.
        text_hidden: Width of its MLPs.
        embedding_width: Channels of text and class embeddings.
        heads: Attention heads of both decoders; 8 in the public models. No shape tells.
        text_heads: Attention heads of the text encoder; likewise.
    """

    backbone_width: int
    depths: tuple[int, ...]
    kernels: tuple[tuple[int, ...], ...]
    mlp_width: float
    depthwise: bool
    pixel_width: int
    mask_width: int
    encoder_layers: int
    encoder_hidden: int
    queries: int
    width: int
    layers: int
    hidden: int
    vocabulary: int
    context: int
    text_width: int
    text_layers: int
    text_hidden: int
    embedding_width: int
    heads: int = 8
    text_heads: int = 8


class XDecoder(nn.Module):
    """X-Decoder (arXiv 2212.11270) as far as semantic segmentation needs it.

    `captioning` holds the weights that only other tasks read. They are never run, but with them
    the network has all 341.55 M (Focal-L) or 164.49 M (Focal-T) parameters of the public models.
    """

    def __init__(self, config: XDecoderConfig) -> None:
        super().__init__()
        c = config
        self.config = config
        channels = [c.backbone_width * 2**i for i in range(len(c.depths))]
        self.backbone = FocalNet(c.backbone_width, c.depths, c.kernels, c.mlp_width, c.depthwise)
        self.pixel_decoder = PixelDecoder(
            channels, c.pixel_width, c.mask_width, c.encoder_layers, c.encoder_hidden, c.heads
        )
        self.decoder = TransformerDecoder(
            c.queries,
            c.pixel_width,
            c.width,
            c.mask_width,
            c.embedding_width,
            c.layers,
            c.hidden,
            c.heads,
        )
        self.text_encoder = TextEncoder(
            c.vocabulary,
            c.context,
            c.text_width,
            c.text_layers,
            c.text_hidden,
            c.text_heads,
            c.embedding_width,
        )
        self.captioning = nn.ParameterDict(
            {
                "embed": torch.zeros(c.width, c.embedding_width),
                "positions": torch.zeros(c.context, c.width),
                "backbone": torch.zeros(channels[-1], c.embedding_width),
            }
        )

    def forward(
        self, images: Float[Tensor, "b 3 h w"], text: Float[Tensor, "names t"]
    ) -> list[Prediction]:
        """Return the predictions before and after each decoder layer; the last one counts.

        Args:
            images: RGB in [0, 1] of any size.
            text: Unit embeddings of the class names, the background's last.
        """
        features = self.backbone(normalize(images))
        predictions: list[Prediction] = self.decoder(self.pixel_decoder(features), text)
        return predictions

    def semantic(
        self,
        images: Float[Tensor, "b 3 h w"],
        text: Float[Tensor, "names t"],
        size: Size,
        groups: Float[Tensor, "shown c"] | None = None,
    ) -> Float[Tensor, "b c oh ow"]:
        """Return each class's score at each pixel: every query's mask times its class, summed.

        The sum may exceed one where several queries show the same class.

        Args:
            images: RGB in [0, 1] of any size.
            text: Unit embeddings of the class names, the background's last; it has no score.
            size: Height and width of the scores.
            groups: 1 where a name, of all but the background, is one for a class; None if each name
                is a class.
        """
        height, width = images.shape[-2:]
        padded = (_padded(height), _padded(width))
        class_logits, mask_logits = self(images, text)[-1]
        classes = class_logits.softmax(dim=-1)[..., :-1]
        if groups is not None:
            classes = classes @ groups
        scores = images.new_zeros(len(images), classes.shape[-1], *size)
        for some, masks in zip(
            classes.split(_AT_ONCE, dim=1), mask_logits.split(_AT_ONCE, dim=1), strict=True
        ):
            masks = F.interpolate(masks, padded, mode="bicubic", antialias=True)
            masks = masks[..., :height, :width]
            masks = F.interpolate(masks, size, mode="bicubic", antialias=True)
            scores += torch.einsum("bqc,bqhw->bchw", some, masks.sigmoid())
        return scores


def normalize(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 ph pw"]:
    """Return `images` (RGB in [0, 1]) normalised, then padded with zeros right and below."""
    mean = images.new_tensor(_MEAN)[:, None, None]
    std = images.new_tensor(_STD)[:, None, None]
    height, width = images.shape[-2:]
    below_and_right = (0, _padded(width) - width, 0, _padded(height) - height)
    return F.pad((255 * images - mean) / std, below_and_right)


def _padded(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
