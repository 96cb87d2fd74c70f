"""`segsr upscale` on a folder as people have them, and in a script."""

import io
import json
import sys
import types

import numpy as np
import pytest
import tiny
from PIL import Image

from segsr.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny.joint(seed=1).save_pretrained(folder)
    return str(folder)


def save(path, mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()))
    pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def mixed(tmp_path):
    """A folder of twenty files: good, odd, broken, nested, colliding, and no photographs at all."""
    folder = tmp_path / "in"
    for name in ("a.jpg", "a.png", "B.JPG", "trip/c.webp", "trip/day 2/d é.bmp", "trip/a.tif"):
        save(folder / name)
    save(folder / "odd/grey.png", "L")
    save(folder / "odd/palette.png", "P")
    save(folder / "odd/clear.png", "RGBA")
    save(folder / "odd/cmyk.jpg", "CMYK")
    deep = np.arange(9 * 12, dtype=np.uint16).reshape(9, 12) * 600
    Image.fromarray(deep).save(folder / "odd/deep.png")
    frames = [Image.new("RGB", (12, 9), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "odd/pages.tif", save_all=True, append_images=frames[1:])
    (folder / "broken").mkdir()
    whole = save(folder / "broken/short.png").read_bytes()
    (folder / "broken/short.png").write_bytes(whole[: len(whole) // 2])
    (folder / "broken/empty.jpg").touch()
    (folder / "broken/words.png").write_text("not a photograph")
    for name in ("clip.mov", "trip/clip2.MOV", "notes.txt", "trip/.DS_Store", ".cache/e.png"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return folder


GOOD = [
    "B.png",
    "a.jpg.png",
    "a.png.png",
    "odd/clear.png",
    "odd/cmyk.png",
    "odd/deep.png",
    "odd/grey.png",
    "odd/pages.png",
    "odd/palette.png",
    "trip/a.png",
    "trip/c.png",
    "trip/day 2/d é.png",
]


def test_a_folder_of_twenty_files(mixed, model, capsys) -> None:
    assert sum(path.is_file() for path in mixed.rglob("*")) == 20
    out = mixed / "results"  # within what is searched
    command = ["upscale", str(mixed), "-o", str(out), "--model", model, "--steps", "1"]
    assert main([*command, "--json"]) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert len(lines) == 15
    found = {line["input"].removeprefix(f"{mixed}/"): line for line in lines}
    failed = sorted(name for name, line in found.items() if line["status"] == "failed")
    assert failed == ["broken/empty.jpg", "broken/short.png", "broken/words.png"]
    assert all(found[name]["reason"] and found[name]["output"] is None for name in failed)
    assert found["trip/c.webp"] == {
        "input": str(mixed / "trip/c.webp"),
        "output": str(out / "trip/c.png"),
        "mask": str(out / "masks/trip/c.png"),
        "status": "restored",
        "reason": None,
        "seconds": found["trip/c.webp"]["seconds"],
        "size": [12, 9],
        "output_size": [48, 36],
    }
    assert found["trip/c.webp"]["seconds"] > 0
    results = [name for name in tree(out) if ".segsr" not in name]
    assert results == sorted([*GOOD, *(f"masks/{name}" for name in GOOD)])
    assert Image.open(out / "odd/deep.png").mode.startswith("I;16")
    closing = captured.err.splitlines()[-2:]
    assert closing == [
        f"12 restored, 3 failed; results in {out}",
        "no photographs, left out: .mov 2, .txt 1",
    ]
    before = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    assert main(command) == 1
    assert "0 restored, 12 skipped (the same already), 3 failed" in capsys.readouterr().err
    assert {name: (out / name).stat().st_mtime_ns for name in tree(out)} == before


def test_what_differs_is_told_with_its_remedy(tmp_path, model, capsys) -> None:
    for i in range(5):
        save(tmp_path / "in" / f"{i}.png")
    command = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", model]
    assert main([*command, "--steps", "1"]) == 0
    capsys.readouterr()
    assert main([*command, "--steps", "2", "-q"]) == 1
    quiet = capsys.readouterr()
    first = tmp_path / "out" / "0.png"
    assert quiet.err == f"differs 5 results, such as {first}: steps 1 -> 2\n"
    assert main([*command, "--steps", "2", "--json"]) == 1
    captured = capsys.readouterr()
    assert {json.loads(line)["status"] for line in captured.out.splitlines()} == {"differs"}
    assert captured.err.splitlines()[-2:] == [
        f"0 restored, 5 differ; results in {tmp_path / 'out'}",
        "what differs was left alone: --overwrite replaces it",
    ]
    assert main([*command, "--steps", "2", "--overwrite"]) == 0


def test_quiet_says_nothing_but_errors(tmp_path, model, capsys) -> None:
    photo = save(tmp_path / "a.png")
    command = ["upscale", str(photo), "-o", str(tmp_path / "out"), "--model", model, "--quiet"]
    assert main([*command, "--scale", "3"]) == 0
    assert capsys.readouterr() == ("", "")
    (tmp_path / "b.png").write_bytes(b"no image")
    assert main([*command, "--scale", "3", str(tmp_path / "b.png")]) == 1
    assert capsys.readouterr().err.startswith("failed ")


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff", "same"])
def test_formats_and_their_quality(format, tmp_path, model) -> None:
    photo = save(tmp_path / "a.jpg")
    out = tmp_path / "out"
    command = ["upscale", str(photo), "-o", str(out), "--model", model, "--format", format]
    assert main([*command, "--steps", "1", "--quality", "50"]) == 0
    suffix = {"tiff": "tif", "same": "jpg"}.get(format, format)
    kinds = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF"}
    with Image.open(out / f"a.{suffix}") as result:
        assert (result.format, result.size) == (kinds[suffix], (48, 36))
    size = (out / f"a.{suffix}").stat().st_size
    assert main([*command, "--steps", "1", "--quality", "5", "--overwrite"]) == 0
    assert ((out / f"a.{suffix}").stat().st_size < size) == (suffix in ("jpg", "webp"))


def test_standard_input_and_output(tmp_path, model, capsysbinary, monkeypatch) -> None:
    photo = save(tmp_path / "photo.png")
    content = photo.read_bytes()
    monkeypatch.chdir(tmp_path)

    def hand_in(content):
        stream = types.SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stream)

    options = ["--model", model, "--steps", "1"]
    hand_in(content)
    assert main(["upscale", "-", "-o", "out", "--json", *options]) == 0
    line = json.loads(capsysbinary.readouterr().out)
    assert (line["input"], line["output"], line["size"]) == ("-", "out/stdin.png", [12, 9])
    hand_in(content)
    assert main(["upscale", "-", "-o", "-", *options]) == 0
    assert capsysbinary.readouterr().out == (tmp_path / "out/stdin.png").read_bytes()
    assert main(["upscale", "photo.png", "-o", "-", "--format", "webp", *options]) == 0
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).format == "WEBP"
    hand_in(b"no image")
    assert main(["upscale", "-", "-o", "-", *options]) == 1
    assert capsysbinary.readouterr().out == b""
    hand_in(b"")
    assert main(["upscale", "-", "-o", "-", *options]) == 2
    assert b"standard input is empty" in capsysbinary.readouterr().err
    assert tree(tmp_path) == [
        "out/.segsr/stdin.png.json",
        "out/masks/stdin.png",
        "out/stdin.png",
        "photo.png",
    ]


def test_a_terminal_is_neither_fed_with_pictures_nor_read(monkeypatch, capsys, tmp_path) -> None:
    photo = save(tmp_path / "photo.png")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["upscale", str(photo), "-o", "-"]) == 2
    assert "add > result.png" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert main(["upscale", "-", "-o", "out"]) == 2
    assert "< photo.jpg" in capsys.readouterr().err


def test_again(tmp_path, model, capsys) -> None:
    photo = save(tmp_path / "photo.png")
    out, other = tmp_path / "out", tmp_path / "other"
    options = ["--model", model, "--steps", "1", "--seed", "4", "--no-masks"]
    assert main(["upscale", str(photo), "-o", str(out), *options]) == 0
    assert main(["upscale", "--again", str(out / "photo.png"), "-o", str(other)]) == 0
    assert (other / "photo.png").read_bytes() == (out / "photo.png").read_bytes()
    assert tree(other) == [".segsr/photo.png.json", "photo.png"]
    capsys.readouterr()
    save(photo, "L")
    assert main(["upscale", "--again", str(out / "photo.png")]) == 2
    assert "its content has changed: name where it is" in capsys.readouterr().err


def test_masks_are_found_by_their_place_in_the_tree_then_by_stem(tmp_path, model) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.jpg", "c.png"):
        save(tmp_path / "in" / name)
    for name, value in (("x/a.png", 1), ("a.png", 2), ("y/b.png", 3)):
        path = tmp_path / "masks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 12), value, np.uint8)).save(path)
    out = tmp_path / "out"
    command = ["upscale", str(tmp_path / "in"), "--model", model, "--steps", "1", "-o", str(out)]
    assert main([*command, "--mask", str(tmp_path / "masks")]) == 0
    for name, value in (("x/a.png", 1), ("y/a.png", 2), ("y/b.png", 3)):
        assert (np.asarray(Image.open(out / "masks" / name)) == value).all()
    assert len(np.unique(np.asarray(Image.open(out / "masks/c.png")))) > 1
    # The masks of a result folder are such masks.
    again = [*command[:-1], str(tmp_path / "out2"), "--mask", str(out / "masks")]
    assert main(again) == 0
    assert (np.asarray(Image.open(tmp_path / "out2/masks/y/a.png")) == 2).all()


def test_masks_that_belong_to_nothing_are_refused(tmp_path, model, capsys) -> None:
    photo = save(tmp_path / "in" / "a.png")
    save(tmp_path / "masks" / "b.png", "L")
    command = ["upscale", str(photo), "--model", model, "-o", str(tmp_path / "out")]
    assert main([*command, "--mask", str(tmp_path / "masks")]) == 2
    assert "no mask in" in capsys.readouterr().err
