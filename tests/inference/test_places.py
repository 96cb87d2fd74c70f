"""Where results go: names do not depend on what else is restored, nothing is lost on the way."""

from pathlib import Path

import pytest

from segsr.files.walk import find_photos
from segsr.inference.places import find_clashes, find_places
from segsr.inference.records import record_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def results(inputs, output: Path, format: str = "png") -> dict[str, tuple[str, str]]:
    places = find_places(find_photos(inputs).photos, output, format)
    assert not find_clashes(places, {})
    return {
        place.photo.name: (
            str(place.result.relative_to(output)),
            str(place.mask.relative_to(output)),
        )
        for place in places
    }


def test_the_tree_is_kept_and_masks_have_one_of_their_own(tmp_path):
    photos = touch(tmp_path / "in", "a.jpg", "trip/b.webp")
    assert results([photos], tmp_path / "out") == {
        "a.jpg": ("a.png", "masks/a.png"),
        "b.webp": ("trip/b.png", "masks/trip/b.png"),
    }
    (place, *_) = find_places(find_photos([photos]).photos, tmp_path / "out", "png", masks=False)
    assert place.mask is None


def test_a_name_is_the_same_whatever_is_restored_with_it(tmp_path):
    photos = touch(tmp_path / "in", "a.jpg", "a.png", "A.TIF", "b.jpg", "trip/a.jpg")
    whole = results([photos], tmp_path / "out")
    assert whole["a.png"] == ("a.png.png", "masks/a.png.png")
    assert whole["A.TIF"] == ("A.TIF.png", "masks/A.TIF.png")
    assert whole["b.jpg"] == ("b.png", "masks/b.png")
    for name in ("a.jpg", "a.png", "A.TIF", "b.jpg"):
        alone = results([photos / name], tmp_path / "out")
        assert name == "a.jpg" or alone[name] == whole[name]
    assert results([photos / "a.jpg"], tmp_path / "out")["a.jpg"][0] == "a.jpg.png"
    assert results([photos / "trip"], tmp_path / "out")["a.jpg"][0] == "a.png"


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("jpg", ["a.JPG.jpg", "a.gif.jpg", "a.png.jpg", "b.jpg"]),
        ("same", ["a.JPG", "a.gif.png", "a.png", "b.webp"]),
    ],
)
def test_formats(format, expected, tmp_path):
    photos = touch(tmp_path / "in", "a.JPG", "a.png", "b.webp", "a.gif")
    names = [photos / name for name in ("a.JPG", "a.gif", "a.png", "b.webp")]
    found = results(names, tmp_path / "out", format)
    assert [result for result, _ in found.values()] == expected
    assert len({mask for _, mask in found.values()}) == 4


def test_results_beside_their_photographs_are_no_photographs(tmp_path):
    photo = touch(tmp_path, "a.jpg") / "a.jpg"
    assert results([photo], tmp_path)["a.jpg"][0] == "a.png"
    result = touch(tmp_path, "a.png") / "a.png"
    assert results([photo], tmp_path)["a.jpg"][0] == "a.jpg.png"  # who knows whose that is
    touch(tmp_path, str(record_of(result)))
    assert results([photo], tmp_path)["a.jpg"][0] == "a.png"


def test_nothing_that_must_be_kept_is_in_the_way(tmp_path):
    touch(tmp_path, "x/p.png", "y/p.jpg", "in/a.jpg", "in/masks/a.jpg")

    def clashes(inputs, output, given=None):
        found = find_photos(inputs).photos
        return find_clashes(find_places(found, output, "png"), given or {})

    x, y = tmp_path / "x/p.png", tmp_path / "y/p.jpg"
    assert list(clashes([x, y], tmp_path / "out")) == [y]
    assert "would be overwritten" in clashes([x], tmp_path / "x")[x]
    (reason,) = clashes([tmp_path / "in"], tmp_path / "out").values()
    assert "as well" in reason
    mask = touch(tmp_path, "out/masks/p.png") / "out/masks/p.png"
    assert "would be overwritten" in clashes([y], tmp_path / "out", {y: mask})[y]
