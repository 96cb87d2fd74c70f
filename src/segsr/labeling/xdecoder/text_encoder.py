"""The text encoder: prompts, as token ids, to unit vectors that queries are compared with."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from segsr.labeling.xdecoder.transformer_decoder import unit

_LAYER_NORM_EPS = 1e-12


class TextEncoder(nn.Module):
    """CLIP's causal text transformer and a projection.

    The transformer is that of transformers, which is exact with this LayerNorm's eps.

    Args:
        vocabulary: Number of tokens.
        context: Most tokens of a prompt.
        width: Channels.
        layers: Layers.
        hidden: Width of the MLPs.
        heads: Attention heads.
        outputs: Channels of the embeddings.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int,
        layers: int,
        hidden: int,
        heads: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.positions = vocabulary, context
        model = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                bos_token_id=vocabulary - 2,
                eos_token_id=vocabulary - 1,
                max_position_embeddings=context,
                hidden_size=width,
                num_hidden_layers=layers,
                intermediate_size=hidden,
                num_attention_heads=heads,
                hidden_act="quick_gelu",
                layer_norm_eps=_LAYER_NORM_EPS,
            )
        )
        # Older transformers wrap the transformer once more.
        self.model: nn.Module = getattr(model, "text_model", model)
        self.projection = nn.Parameter(torch.zeros(width, outputs))

    def forward(self, ids: Int[Tensor, "n tokens"]) -> Float[Tensor, "n d"]:
        """Return the unit embedding of each prompt.

        Args:
            ids: Tokens; the end token has the highest id. What follows the first end token has
                no influence, so prompts may be padded to any length up to the context.
        """
        states: Tensor = self.model(input_ids=ids).last_hidden_state
        ends = states[torch.arange(len(ids), device=ids.device), ids.argmax(dim=1)]
        return unit(ends @ self.projection)

    def class_embedding(self, ids: Int[Tensor, "templates tokens"]) -> Float[Tensor, " d"]:
        """Return the unit embedding of a class: the mean over its prompts, at length one."""
        mean: Tensor = self(ids).mean(dim=0)
        length: Tensor = mean.norm()
        return mean / length
