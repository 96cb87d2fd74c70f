"""The 34 classes of segsr, their synonyms, and how they make up other categories.

The paper's list is not published; this one merges ADE20K's classes, in words that open-vocabulary
labelers know. An image without a class for a pixel holds `IGNORE_INDEX` there.
"""

from __future__ import annotations

from collections.abc import Mapping

CLASSES = (
    "sky",
    "mountain",
    "rock",
    "building",
    "tree",
    "grass",
    "plant",
    "flower",
    "water",
    "sea",
    "sand",
    "snow",
    "ground",
    "road",
    "pavement",
    "bridge",
    "fence",
    "wall",
    "window",
    "door",
    "roof",
    "floor",
    "ceiling",
    "curtain",
    "table",
    "chair",
    "sofa or bed",
    "cabinet",
    "sign",
    "person",
    "animal",
    "bird",
    "vehicle",
    "boat",
)
"""Names by class index; also the prompts of an open-vocabulary labeler."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "sky": ("clouds",),
    "mountain": ("hill",),
    "rock": ("stone",),
    "building": ("house", "skyscraper", "tower"),
    "tree": ("palm tree", "forest"),
    "grass": ("lawn", "field"),
    "plant": ("bush", "shrub"),
    "water": ("river", "lake", "waterfall", "swimming pool"),
    "sea": ("ocean",),
    "sand": ("beach", "desert"),
    "ground": ("earth", "dirt", "gravel"),
    "road": ("street", "runway"),
    "pavement": ("sidewalk", "footpath"),
    "fence": ("railing", "banister"),
    "floor": ("rug", "carpet"),
    "table": ("desk", "counter"),
    "chair": ("armchair", "bench", "stool"),
    "sofa or bed": ("sofa", "bed", "couch", "cushion"),
    "cabinet": ("shelf", "wardrobe", "bookcase", "chest of drawers"),
    "sign": ("signboard", "poster"),
    "animal": ("dog", "cat", "horse", "cow", "sheep"),
    "vehicle": ("car", "bus", "truck", "motorcycle", "bicycle", "train", "airplane"),
    "boat": ("ship",),
}
"""Other words for a class, which an open-vocabulary labeler may look for as well."""

OST_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "sky": ("sky",),
    "water": ("water", "sea"),
    "grass": ("grass",),
    "mountain": ("mountain", "rock", "snow"),
    "building": ("building", "wall", "window", "door", "roof", "bridge"),
    "plant": ("tree", "plant", "flower"),
    "animal": ("animal", "bird"),
}
"""The seven outdoor categories of SFTGAN's OutdoorScene data (OST) as groups of our classes; what
is in none is its background."""
