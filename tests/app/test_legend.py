"""Legends and overlays of masks."""

import io

import numpy as np
import pytest
from PIL import Image

from segsr.app.legend import class_names, legend, overlay, sure_shares
from segsr.palette import COLOURS


def test_the_largest_class_is_first_and_what_is_unsure_last():
    mask = np.array([[255, 255, 255, 255], [4, 4, 4, 1]])
    entries = legend(mask, class_names(34))
    assert [(entry.name, entry.share) for entry in entries] == [
        ("tree", 3 / 8),
        ("mountain", 1 / 8),
        ("unsure", 4 / 8),
    ]
    assert entries[0].css == "#{:02x}{:02x}{:02x}".format(*COLOURS[4])


def test_confidence_is_the_mean_over_a_class():
    entries = legend(np.array([[0, 0, 1]]), class_names(3), np.array([[0.5, 1.0, 0.25]]))
    assert [(e.name, e.confidence) for e in entries] == [("class 0", 0.75), ("class 1", 0.25)]


def test_sure_shares_tell_how_much_of_a_class_is_sure():
    classes = np.array([[0, 0, 0, 1]])
    mask = np.array([[0, 255, 255, 1]])
    assert sure_shares(mask, classes)[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_an_overlay_has_the_classes_colours_and_is_clear_where_unsure():
    with Image.open(io.BytesIO(overlay(np.array([[4, 255]])))) as image:
        left, right = np.asarray(image.convert("RGBA"))[0]
    assert tuple(left) == (*COLOURS[4], 255)
    assert right[3] == 0
