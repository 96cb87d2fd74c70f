"""The transformer decoder: queries that become masks and their classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.labeling.xdecoder.pixel_decoder import PixelFeatures, sine_position, tokens

SCALES = 3
_EPS = 1e-7


class Prediction(NamedTuple):
    """What one head says.

    Attributes:
        class_logits: Of each query and name, `(b, queries, names)`.
        mask_logits: Of each query at stride 4, `(b, queries, h, w)`.
    """

    class_logits: Tensor
    mask_logits: Tensor


class TransformerDecoder(nn.Module):
    """Object queries and one class token that attend to the image in turn, coarse to fine.

    Args:
        queries: Number of queries; the last one is the class token.
        inputs: Channels of the scales; projected to `width` if they differ.
        width: Channels of the queries.
        mask_width: Channels of the pixel embeddings.
        text_width: Channels of the text embeddings.
        layers: Layers; layer i attends to scale i % 3.
        hidden: Width of the feed-forward networks.
        heads: Attention heads.
    """

    def __init__(
        self,
        queries: int,
        inputs: int,
        width: int,
        mask_width: int,
        text_width: int,
        layers: int,
        hidden: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.query_feat = nn.Embedding(queries, width)
        self.query_embed = nn.Embedding(queries, width)
        self.level_embed = nn.Embedding(SCALES, width)
        if inputs != width:
            self.input_proj = nn.ModuleList(nn.Conv2d(inputs, width, 1) for _ in range(SCALES))
        self.layers = nn.ModuleList(DecoderLayer(width, hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.mask_embed = nn.ModuleList(
            nn.Linear(width, outputs) for outputs in (width, width, mask_width)
        )
        self.class_embed = nn.Parameter(torch.zeros(width, text_width))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, features: PixelFeatures, text: Float[Tensor, "names t"]) -> list[Prediction]:
        """Return the predictions before the first and after each layer; the last one counts.

        Args:
            features: Of the pixel decoder.
            text: Unit embedding of each name; the last one is the background.
        """
        scales = features.scales
        batch = scales[0].shape[0]
        if hasattr(self, "input_proj"):
            scales = [proj(x) for proj, x in zip(self.input_proj, scales, strict=True)]
        values = [tokens(x) + self.level_embed.weight[i] for i, x in enumerate(scales)]
        keys = [v + tokens(sine_position(x)) for v, x in zip(values, scales, strict=True)]
        position = self.query_embed.weight
        apart = class_token_apart(position)
        queries = self.query_feat.weight.expand(batch, -1, -1)
        predictions = [self.predict(queries, features.mask_features, text)]
        for i, layer in enumerate(self.layers):
            scale = i % SCALES
            size = scales[scale].shape[-2:]
            blind = background(predictions[-1].mask_logits, (size[0], size[1]))
            queries = layer(queries, position, keys[scale], values[scale], blind, apart)
            predictions.append(self.predict(queries, features.mask_features, text))
        return predictions

    def predict(
        self,
        queries: Float[Tensor, "b q d"],
        mask_features: Float[Tensor, "b m h w"],
        text: Float[Tensor, "names t"],
    ) -> Prediction:
        """Return what the head makes of `queries`, which stay as they are."""
        x = gather_class_token(self.norm(queries))
        embedding = unit(x @ self.class_embed)
        class_logits = self.logit_scale.exp() * embedding @ text.T
        first, second, last = self.mask_embed
        masks = last(F.relu(second(F.relu(first(x)))))
        return Prediction(class_logits, torch.einsum("bqm,bmhw->bqhw", masks, mask_features))


class DecoderLayer(nn.Module):
    """Attention to the image, among the queries, and a feed-forward network; norms after sums."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.cross_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.cross_norm = nn.LayerNorm(width)
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.self_norm = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.ffn_norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Float[Tensor, "b q d"],
        position: Float[Tensor, "q d"],
        keys: Float[Tensor, "b n d"],
        values: Float[Tensor, "b n d"],
        blind: Bool[Tensor, "b q n"],
        apart: Bool[Tensor, "q q"],
    ) -> Float[Tensor, "b q d"]:
        """Return the queries after one layer.

        Args:
            x: Queries.
            position: Learned position of each query.
            keys: Features of the scale with their positions.
            values: The same without.
            blind: Pixels that a query does not see.
            apart: Queries that do not see each other.
        """
        mask = blind.repeat_interleave(self.cross_attn.num_heads, dim=0)
        seen = self.cross_attn(x + position, keys, values, attn_mask=mask, need_weights=False)[0]
        x = self.cross_norm(x + seen)
        at = x + position
        x = self.self_norm(x + self.self_attn(at, at, x, attn_mask=apart, need_weights=False)[0])
        x = self.ffn_norm(x + self.linear2(F.relu(self.linear1(x))))
        return x


def unit(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    """Return `x` at length one, the length widened by 1e-7 as the public code does."""
    length: Tensor = x.norm(dim=-1, keepdim=True)
    return x / (length + _EPS)


def gather_class_token(x: Float[Tensor, "b q d"]) -> Float[Tensor, "b q d"]:
    """Return `x` with its last row replaced by the mean of the others, weighted by likeness.

    The weights are the softmax of the cosines between the class token and the object queries.
    """
    objects, token = x[:, :-1], x[:, -1:]
    weights = (unit(token) @ unit(objects).transpose(1, 2)).softmax(dim=-1)  # b 1 q-1
    return torch.cat([objects, weights @ objects], dim=1)


def background(
    mask_logits: Float[Tensor, "b q h w"], size: tuple[int, int]
) -> Bool[Tensor, "b q n"]:
    """Return the pixels of `size` outside each query's mask; none where that would be all."""
    resized = F.interpolate(mask_logits, size, mode="bicubic", antialias=True)
    outside = resized.sigmoid().flatten(2) < 0.5
    return outside & ~outside.all(dim=-1, keepdim=True)


def class_token_apart(position: Float[Tensor, "q d"]) -> Bool[Tensor, "q q"]:
    """Return where attention is cut: between the class token, which is last, and the objects."""
    token = torch.arange(len(position), device=position.device) == len(position) - 1
    return token[:, None] != token[None]
