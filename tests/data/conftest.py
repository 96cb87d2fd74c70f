"""Small folders of photographs and masks."""

import pytest


@pytest.fixture
def folder(tmp_path, picture):
    """Seven photographs in images/ and their labels, 0 to 4, in labels/."""
    for i in range(7):
        picture(tmp_path / "images" / f"photo.{i}.png")
        picture(tmp_path / "labels" / f"photo.{i}.png", labels=5)
    return tmp_path
