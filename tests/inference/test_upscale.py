"""`segsr upscale` on files: sizes, seeds, bad files, what is left alone."""

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from segsr.cli import main
from segsr.errors import SegSRError
from segsr.inference.upscale import find_device, upscale_files
from segsr.palette import IGNORE_COLOUR, PALETTE


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny.joint(seed=1).save_pretrained(folder)
    return str(folder)


def save(path, width=20, height=13, seed=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("size", [(20, 13), (16, 16), (1, 1), (3, 50)])
def test_any_size_becomes_exactly_four_times_as_large(model, tmp_path, size) -> None:
    photo = save(tmp_path / "photo.png", *size)
    assert upscale_files([photo], tmp_path / "out", model=model).failed == 0
    restored, mask = (Image.open(tmp_path / "out" / n) for n in ("photo.png", "masks/photo.png"))
    assert restored.size == mask.size == (4 * size[0], 4 * size[1])
    assert mask.mode == "P"
    assert mask.getpalette()[: 3 * len(PALETTE)] == [c for colour in PALETTE for c in colour]


def test_a_photograph_does_not_depend_on_its_company(model, tmp_path) -> None:
    for i, name in enumerate("cab"):
        save(tmp_path / "all" / f"{name}.png", seed=i)
    alone = save(tmp_path / "elsewhere" / "b.png", seed=2)
    upscale_files([tmp_path / "all"], tmp_path / "out1", model=model)
    upscale_files([alone], tmp_path / "out2", model=model)
    for name in ("b.png", "masks/b.png"):
        first, second = (tmp_path / out / name for out in ("out1", "out2"))
        assert first.read_bytes() == second.read_bytes()
    upscale_files([alone], tmp_path / "out3", model=model, seed=1)
    assert (pixels(tmp_path / "out3" / "b.png") != pixels(tmp_path / "out2" / "b.png")).any()


def test_a_bad_file_is_reported_and_the_rest_is_done(model, tmp_path, capsys) -> None:
    folder = tmp_path / "photos"
    save(folder / "good.png")
    (folder / "broken.jpg").write_bytes(b"not a photograph")
    status = main(["upscale", str(folder), "-o", str(tmp_path / "out"), "--model", model])
    assert status == 1
    assert (tmp_path / "out" / "good.png").exists()
    message = capsys.readouterr().err
    assert "broken.jpg" in message
    assert "1 restored, 1 failed; results in" in message
    assert tree(tmp_path / "out") == [".segsr/good.png.json", "good.png", "masks/good.png"]


def test_two_photographs_never_write_one_file(model, tmp_path) -> None:
    photos = [save(tmp_path / "a" / "p.png", seed=1), save(tmp_path / "b" / "p.png", seed=2)]
    summary = upscale_files(photos, tmp_path / "out", model=model)
    assert summary.restored == [photos[0]]
    assert "rename" in summary.errors[photos[1]]


def test_another_size_and_what_was_done(model, tmp_path, capsys) -> None:
    photo = save(tmp_path / "photo.png", 20, 14)
    command = ["upscale", str(photo), "-o", str(tmp_path / "out"), "--model", model]
    assert main([*command, "--size", "30x21"]) == 0
    assert Image.open(tmp_path / "out" / "photo.png").size == (30, 21)
    assert Image.open(tmp_path / "out" / "masks/photo.png").size == (30, 21)
    assert "photo.png: x4, then resized to 30x21" in " ".join(capsys.readouterr().err.split())
    assert main([*command, "--overwrite", "--size", "30x30"]) == 1
    assert "give 30x21 or 43x30, and crop" in " ".join(capsys.readouterr().err.split())


def test_a_mask_of_the_users_own(model, tmp_path) -> None:
    photo = save(tmp_path / "photo.png", 16, 16)
    mask = np.full((16, 16), 4, np.uint8)
    mask[:8] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    upscale_files([photo], tmp_path / "out", model=model, mask=tmp_path / "mask.png")
    assert (pixels(tmp_path / "out" / "masks/photo.png")[40:] == 4).all()
    upscale_files([photo], tmp_path / "plain", model=model)
    assert (
        pixels(tmp_path / "out" / "photo.png") != pixels(tmp_path / "plain" / "photo.png")
    ).any()
    Image.fromarray(mask[:9]).save(tmp_path / "small.png")
    summary = upscale_files([photo], tmp_path / "bad", model=model, mask=tmp_path / "small.png")
    assert "16x9, but must be as large as the photograph (16x16)" in summary.errors[photo]
    save(tmp_path / "colour.png")
    summary = upscale_files([photo], tmp_path / "bad", model=model, mask=tmp_path / "colour.png")
    assert "class indices" in summary.errors[photo]


def test_what_is_unsure_is_255_in_the_mask_and_grey(tmp_path) -> None:
    network = tiny.joint(seed=1)
    network.segdm.branch.confidence = 1.1
    network.save_pretrained(tmp_path / "model")
    photo = save(tmp_path / "photo.png", 16, 16)
    upscale_files([photo], tmp_path / "out", model=str(tmp_path / "model"))
    mask = Image.open(tmp_path / "out" / "masks/photo.png")
    assert (np.asarray(mask) == 255).all()
    assert (np.asarray(mask.convert("RGB")) == IGNORE_COLOUR).all()


def test_one_mask_for_many_photographs_is_refused(model, tmp_path) -> None:
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png")
    mask = save(tmp_path / "mask.png", mode="L")
    with pytest.raises(SegSRError, match="2 photographs"):
        upscale_files([tmp_path / "in"], tmp_path / "out", model=model, mask=mask)


def test_kinds_of_files(model, tmp_path) -> None:
    for mode in ("L", "P", "RGBA"):
        save(tmp_path / "in" / f"{mode}.png", mode=mode)
    deep = (np.arange(20 * 13).reshape(13, 20) * 250).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "in" / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.new("RGB", (20, 13), (200, 30, 30)).save(tmp_path / "in" / "turned.jpg", exif=exif)
    assert upscale_files([tmp_path / "in"], tmp_path / "out", model=model).failed == 0
    assert Image.open(tmp_path / "out" / "turned.png").size == (52, 80)
    assert Image.open(tmp_path / "out" / "RGBA.png").mode == "RGBA"
    assert Image.open(tmp_path / "out" / "deep.png").mode.startswith("I;16")


def test_devices() -> None:
    assert find_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(SegSRError, match="no cuda device"):
            find_device("cuda")


def test_an_unknown_model_is_one_line(tmp_path, capsys) -> None:
    photo = save(tmp_path / "photo.png")
    assert main(["upscale", str(photo), "-o", str(tmp_path / "o"), "--model", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_mask_that_is_not_there_is_told_before_the_work(model, tmp_path) -> None:
    photo = save(tmp_path / "photo.png")
    with pytest.raises(SegSRError, match="no mask"):
        upscale_files([photo], tmp_path / "out", model=model, mask=tmp_path / "nowhere.png")
