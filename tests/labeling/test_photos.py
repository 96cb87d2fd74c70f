from __future__ import annotations

import pytest

from segsr.errors import SegSRError
from segsr.labeling.photos import PhotoToLabel, find_photos_to_label


def test_a_folder_gives_its_photographs_sorted(tmp_path, picture):
    for name in ("b.JPG", "a.png"):
        picture(tmp_path / name)
    assert find_photos_to_label(tmp_path).items == [
        PhotoToLabel(tmp_path / "a.png", "a.png"),
        PhotoToLabel(tmp_path / "b.JPG", "b.png"),
    ]


def test_a_list_keeps_its_order_and_its_folders(tmp_path):
    (tmp_path / "list.txt").write_text("# ours\nx/b.jpg\n\na.png\nx/b.jpg\n")
    items = find_photos_to_label(tmp_path / "list.txt").items
    assert items == [
        PhotoToLabel(tmp_path / "x/b.jpg", "x/b.png"),
        PhotoToLabel(tmp_path / "a.png", "a.png"),
    ]
    elsewhere = find_photos_to_label(tmp_path / "list.txt", tmp_path / "photos").items
    assert elsewhere[0] == PhotoToLabel(tmp_path / "photos/x/b.jpg", "x/b.png")


def test_one_photograph(tmp_path, picture):
    photo = picture(tmp_path / "a.jpg")
    assert find_photos_to_label(photo).items == [PhotoToLabel(photo, "a.png")]


def test_photographs_that_would_share_a_mask_or_lie_outside_are_named(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\na.png\n../b.jpg\n/c.jpg\n")
    found = find_photos_to_label(tmp_path / "list.txt")
    assert [item.mask for item in found.items] == ["a.png"]
    reasons = {photo.name: reason for photo, reason in found.failed.items()}
    assert "would have the name of that of" in reasons["a.png"]
    assert "root=FOLDER" in reasons["b.jpg"]
    assert "/c.jpg lies outside" in reasons["c.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "give a folder of photographs, or a list"),
        ("list.csv", "a.jpg", "name ends in .txt"),
        ("list.txt", "# nothing\n", "names no image"),
    ],
)
def test_what_cannot_be_labelled_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SegSRError, match=message):
        find_photos_to_label(tmp_path / name)
