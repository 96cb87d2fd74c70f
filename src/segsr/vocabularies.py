"""What the labels of public data sets mean in our classes.

A labeler speaks the language of the data set it was trained on: `vocabulary_map` takes the names
of its labels to ours. The tables are ordered as the data sets count; `None` is a label without a
class of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError

Vocabulary = tuple[tuple[str, str | None], ...]
"""Public name and our class, in the order of the data set's labels. Where published networks spell
one label in several ways, the spellings stand behind each other, separated by commas."""

# fmt: off
ADE20K_150: Vocabulary = (
    ("wall", "wall"), ("building", "building"), ("sky", "sky"), ("floor", "floor"),
    ("tree", "tree"), ("ceiling", "ceiling"), ("road", "road"), ("bed", "sofa or bed"),
    ("windowpane, window", "window"), ("grass", "grass"), ("cabinet", "cabinet"),
    ("sidewalk", "pavement"), ("person", "person"), ("earth", "ground"), ("door", "door"),
    ("table", "table"), ("mountain", "mountain"), ("plant", "plant"), ("curtain", "curtain"),
    ("chair", "chair"), ("car", "vehicle"), ("water", "water"), ("painting", None),
    ("sofa", "sofa or bed"), ("shelf", "cabinet"), ("house", "building"), ("sea", "sea"),
    ("mirror", None), ("rug", "floor"), ("field", "grass"), ("armchair", "chair"),
    ("seat", "chair"), ("fence", "fence"), ("desk", "table"), ("rock", "rock"),
    ("wardrobe", "cabinet"), ("lamp", None), ("bathtub, tub", None), ("railing, rail", "fence"),
    ("cushion", "sofa or bed"), ("base", None), ("box", None), ("column", None),
    ("signboard", "sign"), ("chest of drawers", "cabinet"), ("counter", "table"), ("sand", "sand"),
    ("sink", None), ("skyscraper", "building"), ("fireplace", None), ("refrigerator", None),
    ("grandstand", None), ("path", "ground"), ("stairs", None), ("runway", "road"),
    ("case", "cabinet"), ("pool table", None), ("pillow", "sofa or bed"), ("screen door", "door"),
    ("stairway", None), ("river", "water"), ("bridge", "bridge"), ("bookcase", "cabinet"),
    ("blind", "window"), ("coffee table", "table"), ("toilet", None), ("flower", "flower"),
    ("book", None), ("hill", "mountain"), ("bench", "chair"), ("countertop", "table"),
    ("stove", None), ("palm", "tree"), ("kitchen island", "table"), ("computer", None),
    ("swivel chair", "chair"), ("boat", "boat"), ("bar", None), ("arcade machine", None),
    ("hovel", "building"), ("bus", "vehicle"), ("towel", None), ("light", None),
    ("truck", "vehicle"), ("tower", "building"), ("chandelier", None), ("awning", "roof"),
    ("streetlight, street lamp", None), ("booth", None), ("television receiver, tv", None),
    ("airplane, plane", "vehicle"), ("dirt track", "ground"), ("apparel, clothes", None),
    ("pole", None), ("land", "ground"), ("bannister", "fence"), ("escalator", None),
    ("ottoman", "chair"), ("bottle", None), ("buffet", None), ("poster", "sign"), ("stage", None),
    ("van", "vehicle"), ("ship", "boat"), ("fountain", "water"), ("conveyer belt", None),
    ("canopy", "roof"), ("washer", None), ("plaything", None), ("swimming pool, pool", "water"),
    ("stool", "chair"), ("barrel", None), ("basket", None), ("waterfall, falls", "water"),
    ("tent", None), ("bag", None), ("minibike", "vehicle"), ("cradle", None), ("oven", None),
    ("ball", None), ("food", None), ("step", None), ("tank", None), ("trade name", "sign"),
    ("microwave", None), ("pot", None), ("animal", "animal"), ("bicycle", "vehicle"),
    ("lake", "water"), ("dishwasher", None), ("screen", None), ("blanket", None),
    ("sculpture", None), ("hood", None), ("sconce", None), ("vase", None), ("traffic light", None),
    ("tray", None), ("ashcan, trash can", None), ("fan", None), ("pier", "bridge"),
    ("crt screen", None), ("plate", None), ("monitor", None), ("bulletin board", "sign"),
    ("shower", None), ("radiator", None), ("glass", None), ("clock", None), ("flag", None),
)
"""ADE20K's 150 labels (Zhou et al. 2017). Names as in SegFormer's checkpoints, then those that
Mask2Former's and OneFormer's start with, where they differ. "snow" and "bird" have no label."""

COCO_133: Vocabulary = (
    ("person", "person"), ("bicycle", "vehicle"), ("car", "vehicle"), ("motorcycle", "vehicle"),
    ("airplane", "vehicle"), ("bus", "vehicle"), ("train", "vehicle"), ("truck", "vehicle"),
    ("boat", "boat"), ("traffic light", None), ("fire hydrant", None), ("stop sign", "sign"),
    ("parking meter", None), ("bench", "chair"), ("bird", "bird"), ("cat", "animal"),
    ("dog", "animal"), ("horse", "animal"), ("sheep", "animal"), ("cow", "animal"),
    ("elephant", "animal"), ("bear", "animal"), ("zebra", "animal"), ("giraffe", "animal"),
    ("backpack", None), ("umbrella", None), ("handbag", None), ("tie", None), ("suitcase", None),
    ("frisbee", None), ("skis", None), ("snowboard", None), ("sports ball", None), ("kite", None),
    ("baseball bat", None), ("baseball glove", None), ("skateboard", None), ("surfboard", None),
    ("tennis racket", None), ("bottle", None), ("wine glass", None), ("cup", None), ("fork", None),
    ("knife", None), ("spoon", None), ("bowl", None), ("banana", None), ("apple", None),
    ("sandwich", None), ("orange", None), ("broccoli", None), ("carrot", None), ("hot dog", None),
    ("pizza", None), ("donut", None), ("cake", None), ("chair", "chair"), ("couch", "sofa or bed"),
    ("potted plant", "plant"), ("bed", "sofa or bed"), ("dining table", "table"), ("toilet", None),
    ("tv", None), ("laptop", None), ("mouse", None), ("remote", None), ("keyboard", None),
    ("cell phone", None), ("microwave", None), ("oven", None), ("toaster", None), ("sink", None),
    ("refrigerator", None), ("book", None), ("clock", None), ("vase", None), ("scissors", None),
    ("teddy bear", None), ("hair drier", None), ("toothbrush", None), ("banner", None),
    ("blanket", None), ("bridge", "bridge"), ("cardboard", None), ("counter", "table"),
    ("curtain", "curtain"), ("door-stuff", "door"), ("floor-wood", "floor"), ("flower", "flower"),
    ("fruit", None), ("gravel", "ground"), ("house", "building"), ("light", None),
    ("mirror-stuff", None), ("net", None), ("pillow", "sofa or bed"), ("platform", None),
    ("playingfield", None), ("railroad", None), ("river", "water"), ("road", "road"),
    ("roof", "roof"), ("sand", "sand"), ("sea", "sea"), ("shelf", "cabinet"), ("snow", "snow"),
    ("stairs", None), ("tent", None), ("towel", None), ("wall-brick", "wall"),
    ("wall-stone", "wall"), ("wall-tile", "wall"), ("wall-wood", "wall"), ("water-other", "water"),
    ("window-blind", "window"), ("window-other", "window"), ("tree-merged", "tree"),
    ("fence-merged", "fence"), ("ceiling-merged", "ceiling"), ("sky-other-merged", "sky"),
    ("cabinet-merged", "cabinet"), ("table-merged", "table"), ("floor-other-merged", "floor"),
    ("pavement-merged", "pavement"), ("mountain-merged", "mountain"), ("grass-merged", "grass"),
    ("dirt-merged", "ground"), ("paper-merged", None), ("food-other-merged", None),
    ("building-other-merged", "building"), ("rock-merged", "rock"), ("wall-other-merged", "wall"),
    ("rug-merged", "floor"),
)
"""COCO panoptic's 133 labels: 80 things, then 53 kinds of stuff (Kirillov et al. 2019)."""

CITYSCAPES_19: Vocabulary = (
    ("road", "road"), ("sidewalk", "pavement"), ("building", "building"), ("wall", "wall"),
    ("fence", "fence"), ("pole", None), ("traffic light", None), ("traffic sign", "sign"),
    ("vegetation", "tree"), ("terrain", "grass"), ("sky", "sky"), ("person", "person"),
    ("rider", "person"), ("car", "vehicle"), ("truck", "vehicle"), ("bus", "vehicle"),
    ("train", "vehicle"), ("motorcycle", "vehicle"), ("bicycle", "vehicle"),
)
"""Cityscapes' 19 labels that are evaluated (Cordts et al. 2016)."""
# fmt: on

VOCABULARIES = (ADE20K_150, COCO_133, CITYSCAPES_19)
"""The tables that `MEANINGS` gathers."""

_INDEX = {name: index for index, name in enumerate(CLASSES)}

ADE20K: Mapping[int, int] = {
    label: IGNORE_INDEX if name is None else _INDEX[name]
    for label, (_, name) in enumerate(ADE20K_150)
}
"""ADE20K-150's labels, counted from 0, to class indices."""

IDENTITY: Mapping[int, int] = {index: index for index in range(len(CLASSES))}
"""Labels that are class indices already."""

LABELMEFACADE: Mapping[int, int] = {
    0: IGNORE_INDEX,  # various
    1: _INDEX["building"],
    2: _INDEX["vehicle"],  # car
    3: _INDEX["door"],
    4: _INDEX["pavement"],
    5: _INDEX["road"],
    6: _INDEX["sky"],
    7: _INDEX["tree"],  # vegetation: street trees, some bushes and lawns
    8: _INDEX["window"],
}
"""LabelMeFacade's 9 labels to class indices."""

CAMVID: Mapping[int, int] = {
    0: _INDEX["sky"],
    1: _INDEX["building"],
    2: IGNORE_INDEX,  # pole
    3: _INDEX["road"],
    4: _INDEX["pavement"],
    5: _INDEX["tree"],
    6: _INDEX["sign"],
    7: _INDEX["fence"],
    8: _INDEX["vehicle"],  # car
    9: _INDEX["person"],  # pedestrian
    10: _INDEX["person"],  # bicyclist
    11: IGNORE_INDEX,  # unlabelled
}
"""CamVid's labels, in SegNet's version of 12, to class indices."""


def lookup_table(class_map: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """A table (256,) such that `table[labels]` are our classes; labels not in the map are ignored.

    Args:
        class_map: Source label, in 0..255, to class index or `IGNORE_INDEX`.

    Raises:
        SegSRError: A label or a class is out of range.
    """
    table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    for label, index in class_map.items():
        if not 0 <= label <= 255 or not (0 <= index < len(CLASSES) or index == IGNORE_INDEX):
            raise SegSRError(
                f"class map entry {label}: {index} is out of range: labels are 0 to 255, "
                f"classes 0 to {len(CLASSES) - 1} or {IGNORE_INDEX} to ignore"
            )
        table[label] = index
    return table


def public_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a network's labels, those of a data set if the network has none.

    Some checkpoints carry no names, EoMT's converter for one writes none: their configuration says
    `LABEL_0`, `LABEL_1` and so on. 150, 133 and 19 such labels are taken for ADE20K's, COCO
    panoptic's and Cityscapes'; any other number is returned as it is.

    Args:
        labels: A network's `id2label`, in order.
    """
    nameless = all(label == f"LABEL_{index}" for index, label in enumerate(labels))
    for vocabulary in VOCABULARIES:
        if nameless and len(vocabulary) == len(labels):
            return tuple(_parts(name)[0] for name, _ in vocabulary)
    return tuple(labels)


def vocabulary_map(
    labels: Sequence[str],
    classes: Sequence[str] = CLASSES,
    names: Mapping[str, str | None] | None = None,
) -> tuple[int, ...]:
    """Return the index in `classes` that each label of a network means, or `IGNORE_INDEX`.

    The first of these that knows the label decides: the mapping `names`; `classes`, by their own
    names; the tables of this file. A class that only a table names and that is not among `classes`
    is ignored, for a list of one's own says all that one looks for. A label such as
    "earth, ground" is looked for as a whole, then by what stands before its first comma; capital
    letters and outer blanks do not matter.

    Args:
        labels: A network's `id2label`, in order; see `public_names`.
        classes: Our class names.
        names: Public name to one of `classes`, or to None to ignore it.

    Raises:
        SegSRError: If a label is neither known nor ignored, if `names` speaks of a label that the
            network lacks or of a class that is not among `classes`, or if no label means any class.
    """
    own = {_plain(name): index for index, name in enumerate(classes)}
    given = {_plain(name): target for name, target in (names or {}).items()}
    spoken = [dict.fromkeys((_plain(label), _parts(label)[0])) for label in labels]

    strangers = {target for target in given.values() if target and _plain(target) not in own}
    if strangers:
        raise SegSRError(
            f"names speaks of classes that are none, {_listed(strangers)}: use {_listed(classes)},"
            " or null to ignore a label."
        )
    idle = given.keys() - {name for ways in spoken for name in ways}
    if idle:
        raise SegSRError(
            f"names speaks of labels that the network lacks, {_listed(idle)}: it has"
            f" {_listed(labels)}."
        )
    known = (
        {name: own[_plain(target)] if target else IGNORE_INDEX for name, target in given.items()},
        own,
        {name: own.get(target or "", IGNORE_INDEX) for name, target in MEANINGS.items()},
    )
    found = [
        next((table[name] for table in known for name in ways if name in table), None)
        for ways in spoken
    ]
    indices = tuple(index for index in found if index is not None)
    if len(indices) < len(labels):
        unknown = [label for label, index in zip(labels, found, strict=True) if index is None]
        raise SegSRError(
            f"nothing says what the network's labels {_listed(unknown)} mean: map each of them in"
            " names, to a class or to null to ignore it."
        )
    if set(indices) <= {IGNORE_INDEX}:
        raise SegSRError(
            f"none of the network's labels {_listed(labels)} means one of the classes"
            f" {_listed(classes)}: map some in names."
        )
    return indices


def _plain(name: str) -> str:
    return name.strip().lower()


def _parts(name: str) -> tuple[str, ...]:
    return tuple(_plain(part) for part in name.split(","))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in (sorted(names) if isinstance(names, Set) else names))


MEANINGS: Mapping[str, str | None] = {
    spelling: name
    for vocabulary in VOCABULARIES
    for public, name in vocabulary
    for spelling in _parts(public)
}
"""Our class, or None, by public spelling; no two tables differ on one."""
