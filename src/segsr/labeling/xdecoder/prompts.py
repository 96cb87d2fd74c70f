"""What the text encoder reads of a class: its name in 81 sentences.

X-Decoder averages over 81 sentences too, CLIP's customary ones. Those here are ours, of the same
kind and number; for the published masks to the last pixel, hand the published list to the labeler.
"""

from __future__ import annotations

from collections.abc import Sequence

from segsr.errors import SegSRError

BACKGROUND = "background"
"""Follows the class names; takes the queries that show none of them."""

_SUFFIXES = ("-other", "-merged", "-stuff")
_ARTICLES = ("a", "the")
_PHOTOS = (
    "photo",
    "good photo",
    "bad photo",
    "bright photo",
    "dark photo",
    "blurry photo",
    "sharp photo",
    "cropped photo",
    "close-up photo",
    "wide photo",
    "noisy photo",
    "grainy photo",
    "faded photo",
    "colour photo",
    "black and white photo",
    "low resolution photo",
)
_LOOKS = (
    "clean",
    "dirty",
    "large",
    "small",
    "old",
    "new",
    "plain",
    "odd",
    "distant",
    "nearby",
    "partly hidden",
    "brightly lit",
)
_RENDERINGS = (
    "drawing",
    "painting",
    "rendering",
    "sketch",
    "sculpture",
    "cartoon",
    "model",
    "print",
    "picture",
    "video frame",
    "postcard",
    "toy version",
)

TEMPLATES = (
    "{}.",
    *(f"a {photo} of {article} {{}}." for photo in _PHOTOS for article in _ARTICLES),
    *(f"a photo of {article} {look} {{}}." for look in _LOOKS for article in _ARTICLES),
    *(f"a {rendering} of {article} {{}}." for rendering in _RENDERINGS for article in _ARTICLES),
)
"""Sentences with a place for the class name."""


def prompts(name: str, templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Return each template with the class name, without COCO's `-other`, `-merged`, `-stuff`.

    Raises:
        SegSRError: If there are no templates, or one has not one place `{}` for the name.
    """
    if not templates or any(template.count("{}") != 1 for template in templates):
        raise SegSRError(
            f"prompt templates must each hold {{}} once, where the class name goes, got"
            f" {list(templates)[:3]}: correct the list, or leave it out for the default."
        )
    for suffix in _SUFFIXES:
        name = name.replace(suffix, "")
    return [template.replace("{}", name) for template in templates]
