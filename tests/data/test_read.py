from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from segsr.batch import IGNORE_INDEX
from segsr.data.image_folder import Files
from segsr.data.read import read_sample
from segsr.errors import SegSRError


def test_labels_are_mapped_to_classes(picture, tmp_path):
    image = picture(tmp_path / "a.png", 8, 4)
    Image.fromarray(np.array([[0, 1, 2, 40] * 2] * 4, dtype=np.uint8)).save(tmp_path / "m.png")
    mapped = read_sample(Files(image, tmp_path / "m.png", class_map={0: 5, 1: 33})).mask
    own = read_sample(Files(image, tmp_path / "m.png", num_classes=41)).mask
    assert mapped is not None
    assert own is not None
    assert mapped[0].tolist() == [5, 33, IGNORE_INDEX, IGNORE_INDEX] * 2
    assert own[0].tolist() == [0, 1, 2, 40] * 2


def test_an_index_that_is_no_class_is_refused(picture, tmp_path):
    image = picture(tmp_path / "a.png", 4, 2)
    mask = tmp_path / "m.png"
    Image.fromarray(np.array([[0, 33, 34, 255]] * 2, dtype=np.uint8)).save(mask)
    with pytest.raises(SegSRError, match=r"m\.png holds the index 34, but classes are 0 to 33"):
        read_sample(Files(image, mask))
    assert read_sample(Files(image, mask, num_classes=35)).mask is not None


def test_a_label_image_never_says_unknown(picture, tmp_path):
    image = picture(tmp_path / "a.png", 4, 2)
    mask = tmp_path / "m.png"
    Image.fromarray(np.array([[0, 253, 254, 255]] * 2, dtype=np.uint8)).save(mask)
    with pytest.raises(SegSRError, match=r"holds the index 254, but classes are 0 to 253"):
        read_sample(Files(image, mask, num_classes=255))
    mapped = read_sample(Files(image, mask, class_map={0: 5})).mask
    assert mapped is not None
    assert mapped[0].tolist() == [5, IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX]


def test_every_complaint_names_the_file_the_rule_and_the_remedy(picture, tmp_path):
    image = picture(tmp_path / "a.png", 48, 40)
    colour = picture(tmp_path / "colour.png", 48, 40)
    small = picture(tmp_path / "small.png", 40, 40, labels=3)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image at all")
    cut = picture(tmp_path / "cut.png")
    cut.write_bytes(cut.read_bytes()[:300])
    for files, message in (
        (Files(broken), "broken.jpg is not a readable image .*, or replace it"),
        (Files(cut), "cut.png is not a readable image"),
        (Files(tmp_path / "gone.png"), "no file .*gone.png"),
        (Files(image, tmp_path / "none.png"), "a.png has no mask: add .*none.png"),
        (Files(image, lq=tmp_path / "none.png"), "a.png has no LQ version"),
        (Files(image, small), "small.png is 40x40, its image .*a.png 48x40: resize"),
        (Files(image, colour), "colour.png is a RGB image, labels must be grey"),
        (Files(image, lq=small), "small.png is 40x40, which is not 1/4 of the 48x40"),
    ):
        with pytest.raises(SegSRError, match=message) as caught:
            read_sample(files)
        assert "\n" not in str(caught.value)
