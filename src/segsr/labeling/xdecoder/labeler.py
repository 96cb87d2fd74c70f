"""X-Decoder as a labeler: a photograph and any list of class names to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot
from transformers import CLIPTokenizer

from segsr.checkpoints.state_dict import first_line
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.labeling.base import Labeler, Size, resize_short_side
from segsr.labeling.xdecoder.checkpoint import HEADS, read_xdecoder
from segsr.labeling.xdecoder.prompts import BACKGROUND, TEMPLATES, prompts
from segsr.labeling.xdecoder.text_encoder import TextEncoder

TOKENIZER = "openai/clip-vit-base-patch32"
"""Hub id of the tokenizer that the public checkpoints were trained with."""


class XDecoderLabeler(Labeler):
    """X-Decoder that looks for the given classes.

    The names are read once, here; the text encoder is then dropped.

    Args:
        checkpoint: An official `.pt` file, or its tensors as `.safetensors`.
        classes: Names by class index, any words; `background` is looked for besides.
        synonyms: More words for a class, by its name; their scores are added. The paper has none.
        tokenizer: Folder or hub id of CLIP's tokenizer.
        short_side: Pixels of the short side that photographs are resized to; 512 in X-Decoder's
            own demonstration.
        templates: Sentences with a place `{}` for a name, over which a class is averaged.
        heads: Attention heads of both decoders.
        text_heads: Attention heads of the text encoder.

    Raises:
        SegSRError: If there are no classes, or the checkpoint or the tokenizer cannot be read or
            do not fit each other.
    """

    text: Tensor
    groups: Tensor

    def __init__(
        self,
        checkpoint: str | Path,
        classes: Sequence[str] = CLASSES,
        tokenizer: str | Path = TOKENIZER,
        *,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        short_side: int = 512,
        templates: Sequence[str] = TEMPLATES,
        heads: int = HEADS,
        text_heads: int = HEADS,
    ) -> None:
        super().__init__(classes)
        if not classes:
            raise SegSRError("X-Decoder looks for named classes, got none: give at least one name.")
        if short_side < 1:
            raise SegSRError(f"short_side must be at least 1 pixel, got {short_side}: try 512.")
        bpe = load_tokenizer(tokenizer)
        self.net = read_xdecoder(checkpoint, heads=heads, text_heads=text_heads).network
        words = [[name, *(synonyms or {}).get(name, ())] for name in classes]
        names = [*chain.from_iterable(words), BACKGROUND]
        text = embed_classes(self.net.text_encoder, bpe, names, templates)
        owners = torch.tensor([i for i, some in enumerate(words) for _ in some])
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("groups", one_hot(owners, len(classes)).float(), persistent=False)
        del self.net.text_encoder
        self.short_side = short_side

    def scores(self, images: Float[Tensor, "b 3 h w"], size: Size) -> Float[Tensor, "b c sh sw"]:
        """Return each class's score in [0, 1] for each pixel; see `Labeler`.

        X-Decoder adds up what its queries show, which may exceed one in sum over the classes. There
        the scores of the pixel are divided by that sum: the best class stays the best.
        """
        scores: Tensor = self.net.semantic(
            resize_short_side(images, self.short_side), self.text, size, self.groups
        )
        return scores / scores.sum(dim=1, keepdim=True).clamp(min=1)


def load_tokenizer(source: str | Path) -> CLIPTokenizer:
    """Return CLIP's tokenizer from a folder or from the hub.

    Raises:
        SegSRError: If there is none.
    """
    try:
        return CLIPTokenizer.from_pretrained(str(source))
    except Exception as error:  # the hub and damaged files fail in many ways
        raise SegSRError(
            f"no CLIP tokenizer in {source} ({first_line(error)}): give a folder with its"
            f" vocabulary, or {TOKENIZER} where the hub can be reached."
        ) from error


@torch.no_grad()
def embed_classes(
    encoder: TextEncoder,
    tokenizer: CLIPTokenizer,
    names: Sequence[str],
    templates: Sequence[str] = TEMPLATES,
) -> Float[Tensor, "names t"]:
    """Return the unit embedding of each name, averaged over the templates.

    Raises:
        SegSRError: If the tokenizer is of another vocabulary than the encoder.
    """
    positions, vocabulary = encoder.positions, encoder.vocabulary
    embeddings = []
    for name in names:
        ids = tokenizer(
            prompts(name, templates),
            padding=True,
            truncation=True,
            max_length=positions,
            return_tensors="pt",
        ).input_ids
        if ids.max() >= vocabulary or (ids.max(dim=1).values != tokenizer.eos_token_id).any():
            raise SegSRError(
                f"the tokenizer's ids reach {int(ids.max())} and its end token is"
                f" {tokenizer.eos_token_id}, but the text encoder knows {vocabulary} tokens and"
                f" reads at the highest: give the tokenizer of {TOKENIZER}."
            )
        embeddings.append(encoder.class_embedding(ids))
    return torch.stack(embeddings)
