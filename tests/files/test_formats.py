from pathlib import Path

import pytest

from segsr.errors import SegSRError
from segsr.files.formats import result_suffix


@pytest.mark.parametrize(
    ("format", "photo", "suffix"),
    [
        ("png", "a.jpg", ".png"),
        ("jpg", "a.png", ".jpg"),
        ("webp", "a.png", ".webp"),
        ("tiff", "a.png", ".tif"),
        ("same", "a.JPG", ".JPG"),
        ("same", "a.b.tiff", ".tiff"),
        ("same", "a.gif", ".png"),
        ("same", "a", ".png"),
    ],
)
def test_a_result_has_the_suffix_of_its_format(format: str, photo: str, suffix: str) -> None:
    assert result_suffix(format, Path(photo)) == suffix


def test_a_format_that_is_none_is_named() -> None:
    with pytest.raises(SegSRError, match=r"format 'bmp' is none .* png jpg webp tiff same"):
        result_suffix("bmp", Path("a.png"))
