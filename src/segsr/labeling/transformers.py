"""Any segmentation model of transformers as a labeler, its labels read as our classes.

Two kinds of model: a semantic one gives a logit per label and pixel; a universal one gives queries,
each with a mask and a distribution over labels, whose semantic map is what all queries show (Cheng
et al. 2022, Masked-attention Mask Transformer, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING,
    AutoConfig,
    AutoImageProcessor,
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
    AutoTokenizer,
)
from transformers.image_transforms import get_size_with_aspect_ratio

from segsr.batch import IGNORE_INDEX
from segsr.checkpoints.state_dict import enumerate_all, first_line
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.labeling.base import Labeler, Size
from segsr.vocabularies import public_names, vocabulary_map

UNIVERSAL = ("eomt", "eomt_dinov3", "mask2former", "maskformer", "oneformer")
"""Model types with queries; all of them name their outputs alike."""

WINDOWED = ("eomt", "eomt_dinov3")
"""Model types that see squares of one size only: windows of a photograph, or a padded one."""

MASK2FORMER_GRID = 384
"""Sides that the public image processor of Mask2Former resizes masks to before it adds them up."""

TASK = "the task is semantic"
"""What OneFormer is told (Jain et al. 2023)."""

UNBOUNDED = 1_000_000
"""Pixels of the long side where nothing bounds it."""


class TransformersLabeler(Labeler):
    """A segmentation model of transformers: EoMT, Mask2Former, OneFormer, SegFormer and others.

    Photographs are prepared by the checkpoint's own image processor. The labels are grouped into
    our classes before anything is resized; see `vocabulary_map` for what means what.

    Args:
        model: Folder that `save_pretrained` wrote, or hub id. Weights are read from safetensors
            alone, and no code of the checkpoint runs.
        classes: Names by class index.
        names: Public label name to one of `classes`, or to None to ignore it, where the tables of
            `segsr.vocabularies` do not know a label or are to be overruled.
        short_side: Pixels of the short side that photographs are resized to; what the checkpoint
            says if None. EoMT sees one size only and allows no other.

    Raises:
        SegSRError: If the checkpoint cannot be read, is no such model or lacks weights, if a label
            means nothing, or if the model does not allow the short side.
    """

    groups: Tensor
    task: Tensor

    def __init__(
        self,
        model: str | Path,
        *,
        classes: Sequence[str] = CLASSES,
        names: Mapping[str, str | None] | None = None,
        short_side: int | None = None,
    ) -> None:
        super().__init__(classes)
        source = str(model)
        config = read_config(source)
        self.kind: str = config.model_type
        labels = public_names([config.id2label[i] for i in range(config.num_labels)])
        indices = vocabulary_map(labels, classes, names)
        self.register_buffer("groups", group_matrix(indices, len(classes)), persistent=False)
        self.register_buffer("task", task_tokens(source, config), persistent=False)
        self.processor = read_processor(source, config)
        self.processing = {} if short_side is None else self._resized(config, short_side)
        self.net = read_network(source, config)

    def scores(self, images: Float[Tensor, "b 3 h w"], size: Size) -> Float[Tensor, "b c oh ow"]:
        """Return each class's score in [0, 1] for each pixel; see `Labeler`.

        A semantic model's scores are its probabilities. A universal model's are summed over its
        queries and divided by their sum over all labels where that exceeds one. They are computed
        on the grid where the public image processor computes them, or SegFormer's on its own, and
        resized bilinearly. Where the ignored labels together outweigh every class, all scores of a
        pixel are zero.
        """
        inputs = self.processor(
            images.float(), do_rescale=False, return_tensors="pt", **self.processing
        ).to(images.device)
        maps = self._maps(inputs)
        if inputs.get("patch_offsets"):
            starts = [int(start) for image, start, _ in inputs["patch_offsets"] if image == 0]
            maps = stitch(maps, starts, upright=images.shape[-2] > images.shape[-1])
            return class_scores(maps, size)
        padded, seen = inputs["pixel_values"].shape[-2:], self._seen(images, inputs)
        height, width = (round(o * p / s) for o, p, s in zip(size, padded, seen, strict=True))
        return class_scores(maps, (height, width))[..., : size[0], : size[1]]

    def _maps(self, inputs: Any) -> Tensor:
        """Return the scores (b, groups, h, w) of what the image processor made of photographs."""
        pixels, groups = inputs["pixel_values"], self.groups.float()
        known = {"pixel_values": pixels.to(self.net.dtype)}
        if self.kind == "oneformer":
            known["task_inputs"] = self.task.expand(len(pixels), -1)
        if "pixel_mask" in inputs:
            known["pixel_mask"] = inputs["pixel_mask"]
        outputs = self.net(**known)
        if self.kind not in UNIVERSAL:
            return label_scores(outputs.logits.float(), groups)
        masks = outputs.masks_queries_logits.float()
        if self.kind in WINDOWED:
            masks = F.interpolate(masks, pixels.shape[-2:], mode="bilinear")
        elif self.kind == "mask2former":
            height, width = (max(side, MASK2FORMER_GRID) for side in masks.shape[-2:])
            masks = F.interpolate(masks, (height, width), mode="bilinear")
        return query_scores(outputs.class_queries_logits.float(), masks.sigmoid_(), groups)

    def _resized(self, config: Any, short_side: int) -> dict[str, Any]:
        """Return what the image processor is told of a short side."""
        if short_side < 1:
            raise SegSRError(f"short_side must be at least 1 pixel, got {short_side}: try 512.")
        if config.model_type in WINDOWED:
            if short_side != config.image_size:
                raise SegSRError(
                    f"{config.model_type} sees {config.image_size} pixels only, got a short_side of"
                    f" {short_side}: leave it out, or take a checkpoint of another size."
                )
            return {}
        now = dict(self.processor.size)
        short, long = now.get("shortest_edge"), now.get("longest_edge")
        longest = round(long * short_side / short) if short and long else UNBOUNDED
        return {"size": {"shortest_edge": short_side, "longest_edge": longest}}

    def _seen(self, images: Tensor, inputs: Any) -> Size:
        """Return height and width, in the network's pixels, of what is no padding."""
        pixels = inputs["pixel_values"]
        if "pixel_mask" in inputs:
            mask = inputs["pixel_mask"][0].bool()
            return int(mask.any(dim=1).sum()), int(mask.any(dim=0).sum())
        if self.kind in WINDOWED and self.processor.do_pad:
            edges = self.processor.size
            seen = get_size_with_aspect_ratio(
                tuple(images.shape[-2:]), edges["shortest_edge"], edges["longest_edge"]
            )
            return int(seen[0]), int(seen[1])
        return int(pixels.shape[-2]), int(pixels.shape[-1])


def group_matrix(indices: Sequence[int], classes: int) -> Float[Tensor, "labels groups"]:
    """Return a matrix of 0 and 1 that adds up labels by class.

    Args:
        indices: The class of each label, or `IGNORE_INDEX`.
        classes: How many classes there are; the matrix has two columns more, one that adds up what
            is ignored and one that adds up everything.
    """
    columns = torch.tensor([classes if i == IGNORE_INDEX else i for i in indices])
    return F.pad(F.one_hot(columns, classes + 1).float(), (0, 1), value=1.0)


def label_scores(
    logits: Float[Tensor, "b labels h w"], groups: Float[Tensor, "labels groups"]
) -> Float[Tensor, "b groups h w"]:
    """Return the probability of each group of labels, from a semantic model's logits."""
    return torch.einsum("blhw,lg->bghw", logits.softmax(dim=1), groups)


def query_scores(
    class_logits: Float[Tensor, "b queries labels1"],
    masks: Float[Tensor, "b queries h w"],
    groups: Float[Tensor, "labels groups"],
) -> Float[Tensor, "b groups h w"]:
    """Return what the queries show of each group of labels: sum_q p_q(group) m_q(pixel).

    Args:
        class_logits: Over the labels and, last, over "nothing".
        masks: The probability of each query's mask.
        groups: See `group_matrix`.
    """
    shown = class_logits.softmax(dim=-1)[..., :-1] @ groups
    return torch.einsum("bqg,bqhw->bghw", shown, masks)


def stitch(
    windows: Float[Tensor, "bn groups h w"], starts: Sequence[int], *, upright: bool
) -> Float[Tensor, "b groups nh nw"]:
    """Return whole images from windows along their long side, averaged where windows overlap.

    Args:
        windows: Those of the first image, then those of the second, and so on.
        starts: Where each window of an image begins, in pixels, in order.
        upright: The windows stand one below the other, not side by side.
    """
    along = 3 if upright else 4
    parts = windows.view(-1, len(starts), *windows.shape[1:])
    shape = [len(parts), *windows.shape[1:]]
    shape[along - 1] = starts[-1] + windows.shape[along - 1]
    total = windows.new_zeros(shape)
    count = windows.new_zeros(shape[along - 1])
    for window, start in zip(parts.unbind(1), starts, strict=True):
        length = window.shape[along - 1]
        total.narrow(along - 1, start, length).add_(window)
        count[start : start + length] += 1
    return total / (count[:, None] if upright else count)


def class_scores(
    maps: Float[Tensor, "b groups h w"], size: Size
) -> Float[Tensor, "b classes oh ow"]:
    """Return scores of at most one in sum at `size`; zeros where what is ignored wins.

    Args:
        maps: Scores of each class, then of what is ignored, then of everything.
        size: Height and width of the scores.
    """
    maps = F.interpolate(maps, size, mode="bilinear")
    scores, ignored, total = maps[:, :-2], maps[:, -2:-1], maps[:, -1:]
    wins = scores.amax(dim=1, keepdim=True) >= ignored
    return scores * (wins / total.clamp(min=1))


def read_config(source: str) -> Any:
    """Return the configuration of a segmentation model.

    Raises:
        SegSRError: If there is none, or it is of another kind of model.
    """
    if not Path(source).is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise SegSRError(
            f"no model {source!r}: give a folder that save_pretrained wrote, or a hub id"
            " owner/name."
        )
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the hub and damaged files fail in many ways
        raise _unreadable(source, "configuration", error) from error
    if config.model_type not in UNIVERSAL and type(config) not in (
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING
    ):
        raise SegSRError(
            f"{source} is a {config.model_type}, no segmentation model that labels every pixel:"
            f" give one of {', '.join(UNIVERSAL)}, segformer or another semantic one."
        )
    return config


def read_processor(source: str, config: Any) -> Any:
    """Return the image processor of a model.

    Raises:
        SegSRError: If there is none.
    """
    # OneFormer's would fetch a list of classes for training from the hub
    extra: dict[str, Any] = {"class_info_file": None} if config.model_type == "oneformer" else {}
    try:
        processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False, **extra)
    except Exception as error:
        raise _unreadable(source, "image processor", error) from error
    if getattr(processor, "do_center_crop", False):
        processor.do_center_crop = False  # a label for every pixel
    return processor


def read_network(source: str, config: Any) -> Any:
    """Return the network, in float32, ready to use and not to train.

    Raises:
        SegSRError: If its weights cannot be read or are not all there.
    """
    universal = config.model_type in UNIVERSAL
    auto = AutoModelForUniversalSegmentation if universal else AutoModelForSemanticSegmentation
    try:
        net, report = auto.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:
        raise _unreadable(source, "safetensors weights", error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise SegSRError(
            f"{source} lacks {enumerate_all(missing, 3)}: it was not trained to label every pixel,"
            f" take a checkpoint of {type(net).__name__}."
        )
    return net.eval().requires_grad_(False)


def task_tokens(source: str, config: Any) -> Int[Tensor, "1 tokens"]:
    """Return what a OneFormer is told, padded with zeros; no tokens for any other model.

    Raises:
        SegSRError: If the tokenizer cannot be read.
    """
    if config.model_type != "oneformer":
        return torch.zeros(1, 0, dtype=torch.long)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        raise _unreadable(source, "tokenizer", error) from error
    tokens = tokenizer(
        [TASK],
        padding="max_length",
        max_length=config.task_seq_len,
        truncation=True,
        return_tensors="pt",
    )
    task: Tensor = tokens.input_ids * tokens.attention_mask
    return task


def _unreadable(source: str, what: str, error: Exception) -> SegSRError:
    return SegSRError(
        f"no {what} in {source} ({first_line(error)}): give a whole folder that save_pretrained"
        " wrote, or a hub id where the hub can be reached."
    )
