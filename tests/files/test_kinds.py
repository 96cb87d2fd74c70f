"""Every format that people have: right values, right words, nothing lost."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import skimage.color
import skimage.data
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms
from PIL.IptcImagePlugin import getiptcinfo

from segsr.errors import SegSRError
from segsr.files.exif import dots_per_inch
from segsr.files.formats import WRITTEN
from segsr.files.photo import Photo, read_photo, write_photo
from segsr.files.pixels import read_image, read_size

FIXTURES = Path(__file__).parents[1] / "fixtures"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmp:Rating="4"%b/></x:xmpmeta>'
CAPTION = b"\x1c\x02\x78\x00\x09at anchor"  # IPTC 2:120, nine bytes
# One tag: XResolution as a word (type 2) of five letters.
WORDED = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\x02\0\x05\0\0\0\x1a\0\0\0\0\0\0\0many\0"
RAMP = np.linspace(0, 65535, 30 * 24 * 3).round().astype(np.uint16).reshape(24, 30, 3)


@pytest.fixture(scope="module")
def colour() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()[:60, 200:280])


def samples_of(photo: Photo, top: int) -> npt.NDArray[np.int64]:
    return (photo.image.permute(1, 2, 0).double().numpy() * top).round().astype(np.int64)


# Depth


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_16_bit_colour_tiff_has_16_bits(
    order: str, compression: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RAMP, photometric="rgb", byteorder=order, compression=compression)
    photo = read_photo(path)
    assert (photo.bits, photo.grey, photo.note) == (16, False, None)
    np.testing.assert_array_equal(samples_of(photo, 65535), RAMP)
    write_photo(tmp_path / "out.tif", photo.image, like=photo)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), RAMP)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_16_bit_tiff_keeps_its_alpha(channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 8, channels), dtype=np.uint16)
    kind = "rgb" if channels == 4 else "minisblack"
    extra = {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=kind, **extra)
    photo = read_photo(tmp_path / "a.tif")
    assert photo.alpha is not None
    np.testing.assert_array_equal((photo.alpha.numpy() * 65535).round(), values[..., -1])
    write_photo(tmp_path / "out.tif", photo.image, like=photo)
    off = tifffile.imread(tmp_path / "out.tif").astype(int) - values
    assert np.abs(off).max() <= 1  # the weights of luma round


@pytest.mark.parametrize("channels", [1, 3])
def test_a_floating_point_tiff_is_taken_at_16_bits(channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((12, 10, channels)).astype(np.float32)
    values[0, 0], values[-1, -1] = 0, 1
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="rgb" if channels == 3 else "minisblack"
    )
    photo = read_photo(tmp_path / "a.tif")
    assert (photo.bits, photo.grey) == (16, channels == 1)
    found = photo.image.permute(1, 2, 0)[..., :channels]
    np.testing.assert_allclose(found, values, atol=0.51 / 65535)
    assert read_size(tmp_path / "a.tif") == (12, 10)


@pytest.mark.parametrize("top", [1.2, 300, np.inf, np.nan])
def test_floating_point_of_another_range_is_refused(top: float, tmp_path: Path) -> None:
    values = np.zeros((4, 4, 3), np.float32)
    values[2, 2, 1] = top
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    with pytest.raises(SegSRError, match=r"a\.tif holds floating point .* scale it to 0\.\.1, or"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("kind", "message"), [("uint32", "has 3 channels of uint"), ("float64", "is a TIFF file of")]
)
def test_other_numbers_are_refused(kind: str, message: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4, 3), kind), photometric="rgb")
    with pytest.raises(SegSRError, match=rf"a\.tif {message} .* convert it to 8 or 16 bits"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_deep_tiff_is_turned_upright(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tag = (ExifTags.Base.Orientation, "H", 1, orientation, True)
    tifffile.imwrite(path, RAMP, photometric="rgb", extratags=[tag])
    upright = np.rot90(RAMP, {1: 0, 3: 2, 6: -1}[orientation])
    np.testing.assert_array_equal(samples_of(read_photo(path), 65535), upright)
    assert read_size(path) == upright.shape[:2]
    write_photo(tmp_path / "out.tif", read_photo(path).image, like=read_photo(path))
    np.testing.assert_array_equal(samples_of(read_photo(tmp_path / "out.tif"), 65535), upright)


def test_a_deep_picture_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9, 3), np.float32), photometric="rgb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(SegSRError, match=r"a\.tif is too large \(9 x 9 pixels are more than 80\)"):
        read_photo(tmp_path / "a.tif")


def test_deep_files_are_read_after_a_fork(tmp_path: Path) -> None:
    """libvips' threads are not there in a worker that was forked from who used libvips."""
    tifffile.imwrite(tmp_path / "a.tif", RAMP, photometric="rgb")
    write_photo(tmp_path / "a.png", torch.rand(3, 400, 400), Photo(torch.rand(3, 1, 1), bits=16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this process has threads
        with multiprocessing.get_context("fork").Pool(1) as pool:
            for name in ("a.tif", "a.png"):
                found = pool.apply_async(_total, (tmp_path / name,)).get(timeout=30)
                assert found == _total(tmp_path / name)
            with pytest.raises(SegSRError, match=r"a process forked from one .* method spawn"):
                pool.apply_async(write_photo, (tmp_path / "b.png", torch.zeros(3, 4, 4))).get(30)


def _total(path: Path) -> int:
    return int(read_image(path).numpy().sum(dtype=np.int64))  # torch's threads are gone, too


# Colour


def test_cielab_agrees_with_an_independent_conversion(tmp_path: Path, colour: Image.Image) -> None:
    lab = ImageCms.createProfile("LAB")
    picture = ImageCms.profileToProfile(
        colour, ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
    )
    picture.save(tmp_path / "a.tif")
    stored = tifffile.imread(tmp_path / "a.tif")  # L of 100 as 255, a and b as signed bytes
    values = np.dstack([stored[..., 0] / 2.55, stored[..., 1:].astype(np.int8)])
    expected = skimage.color.lab2rgb(values) * 255  # its white is sRGB's, as if adapted
    off = np.abs(samples_of(read_photo(tmp_path / "a.tif"), 255) - expected)
    assert off.mean() < 1.5
    assert off.max() < 8


# Containers


def test_a_heic_photograph_is_upright_and_keeps_its_metadata(tmp_path: Path) -> None:
    photo = read_photo(FIXTURES / "photo.heic")
    assert photo.image.shape == (3, 64, 48)
    assert read_size(FIXTURES / "photo.heic") == (64, 48)
    picture = Image.fromarray(skimage.data.astronaut()[:96, 192:320]).resize((64, 48))
    expected = np.rot90(np.asarray(picture), -1)
    assert np.abs(samples_of(photo, 255) - expected).mean() < 5
    write_photo(tmp_path / "out.jpg", photo.image, like=photo)
    with Image.open(tmp_path / "out.jpg") as written:
        assert written.getexif()[ExifTags.Base.Make] == "Acme"
        assert written.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert written.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert written.info["xmp"] == photo.xmp


def test_libheif_may_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes((FIXTURES / "photo.heic").read_bytes()[:400])
    with pytest.raises(SegSRError, match=r"a\.heic is not a readable image \(damaged or cut short"):
        read_photo(tmp_path / "a.heic")
    crash = [sys.executable, "-c", "import os; os.abort()"]
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run(crash, **options))
    with pytest.raises(SegSRError, match=r"a\.heic is not a readable .* libheif crashed\)"):
        read_photo(tmp_path / "a.heic")


@pytest.mark.parametrize(
    ("suffix", "options", "atol"),
    [(".jp2", {}, 0), (".avif", {"quality": 95}, 30), (".gif", {}, 60)],
)
def test_other_formats_are_read(
    suffix: str, options: dict[str, int], atol: int, colour: Image.Image, tmp_path: Path
) -> None:
    colour.save(tmp_path / f"a{suffix}", **options)
    photo = read_photo(tmp_path / f"a{suffix}")
    assert (photo.bits, photo.note) == (8, None)
    np.testing.assert_allclose(samples_of(photo, 255), np.asarray(colour).astype(int), atol=atol)


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp"])
def test_of_several_pictures_the_first_is_read_and_that_is_said(
    suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    others = [colour.rotate(90), colour.rotate(180)]
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    colour.quantize(200).convert("RGB").save(path, save_all=True, append_images=others, **options)
    photo = read_photo(path)
    assert photo.note == "the first of its 3 pictures was read"
    np.testing.assert_allclose(
        samples_of(photo, 255), np.asarray(colour.quantize(200).convert("RGB")).astype(int), atol=20
    )


def test_a_phone_s_second_picture_is_not_spoken_of(colour: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    colour.save(path, "MPO", save_all=True, append_images=[colour.resize((40, 30))])
    with Image.open(path) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    assert read_photo(path).note is None


# Writing


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("kind", ["float", "bytes"])
def test_every_format_holds_the_picture(
    kind: str, suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    image = torch.from_numpy(np.asarray(colour).transpose(2, 0, 1).copy())
    grey = suffix == ".pgm"
    expected = np.asarray(colour.convert("L") if grey else colour).astype(int)
    values = image.float() / 255 if kind == "float" else image
    write_photo(tmp_path / f"out{suffix}", values, Photo(torch.zeros(3, 1, 1), grey=grey))
    with Image.open(tmp_path / f"out{suffix}") as written:
        found = np.asarray(written).astype(int)
        assert written.format == "TIFF" or not written.getexif()  # nothing is made up
    atol = 60 if "Q" in WRITTEN[suffix].options else 1
    np.testing.assert_allclose(found, expected, atol=atol)
    assert np.abs(found - expected).mean() < 3
    assert len(list(tmp_path.iterdir())) == 1


def test_bytes_fill_16_bits(tmp_path: Path) -> None:
    deep = Photo(torch.zeros(3, 1, 1), bits=16)
    image = torch.arange(256, dtype=torch.uint8).expand(3, 2, 256)
    write_photo(tmp_path / "out.tif", image, deep)
    found = tifffile.imread(tmp_path / "out.tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[1, :, 2], np.arange(256) * 257)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_xmp_survives_without_its_orientation(
    suffix: str, colour: Image.Image, tmp_path: Path
) -> None:
    colour.save(tmp_path / "a.jpg", xmp=XMP % b' tiff:Orientation="6"')
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.image.shape == (3, 80, 60)  # XMP's orientation is one
    write_photo(tmp_path / f"out{suffix}", photo.image, like=photo)
    again = read_photo(tmp_path / f"out{suffix}")
    assert again.xmp == XMP % b""
    assert again.image.shape == (3, 80, 60)


@pytest.mark.parametrize("source", [".jpg", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".tif"])
def test_iptc_survives(source: str, target: str, colour: Image.Image, tmp_path: Path) -> None:
    image = torch.from_numpy(np.asarray(colour).transpose(2, 0, 1).copy())
    first, second = tmp_path / f"a{source}", tmp_path / f"out{target}"
    write_photo(first, image, Photo(torch.zeros(3, 1, 1), iptc=CAPTION))
    write_photo(second, image, like=read_photo(first))
    for path in (first, second):
        with Image.open(path) as written:
            assert getiptcinfo(written)[2, 120] == b"at anchor"
    if target == ".tif":
        with tifffile.TiffFile(second) as file:
            assert file.pages[0].tags[33723] is not None


def test_exif_of_a_tiff_is_what_it_was(colour: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "J. Doe"
    exif[ExifTags.Base.XResolution] = 300
    exif[ExifTags.Base.ResolutionUnit] = 2
    camera, place = (exif.get_ifd(ifd) for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo))
    camera[ExifTags.Base.MakerNote] = bytes(range(256)) * 3
    camera[ExifTags.Base.ExposureTime] = 0.004
    place[ExifTags.GPS.GPSLatitude] = (48.0, 30.0, 1.5)
    for order in ("<", ">"):
        exif.endian = order
        colour.save(tmp_path / "a.jpg", exif=exif.tobytes())
        photo = read_photo(tmp_path / "a.jpg")
        write_photo(tmp_path / "out.tif", photo.image, like=photo)
        with Image.open(tmp_path / "out.tif") as written:
            written.load()
            kept = written.getexif()
            assert kept[ExifTags.Base.Artist] == "J. Doe"
            assert kept[ExifTags.Base.XResolution] == 300
            assert kept.get_ifd(ExifTags.IFD.Exif) == camera
            assert kept.get_ifd(ExifTags.IFD.GPSInfo) == place
        found = tifffile.imread(tmp_path / "out.tif")
        np.testing.assert_array_equal(found, np.asarray(Image.open(tmp_path / "a.jpg")))


@pytest.mark.parametrize(
    ("stored", "unit", "written"),
    [(300, 2, 300), (100, 3, 254), (0, 2, 72), (10**8, 2, 72), ("many", 2, 72)],
)
def test_a_resolution_is_kept_unless_it_is_none(
    stored: int | str, unit: int, written: float
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution] = stored
    exif[ExifTags.Base.ResolutionUnit] = unit
    assert dots_per_inch(exif.tobytes() if stored != "many" else WORDED) == pytest.approx(written)


def test_a_block_too_large_for_jpeg_is_left_out_with_a_warning(tmp_path: Path) -> None:
    large = Photo(torch.zeros(3, 1, 1), xmp=XMP % (b' a="' + b"x" * 70_000 + b'"'))
    with pytest.warns(UserWarning, match="XMP is larger than JPEG holds: not kept"):
        write_photo(tmp_path / "out.jpg", torch.rand(3, 9, 9), large)
    assert read_photo(tmp_path / "out.jpg").xmp is None
    write_photo(tmp_path / "out.png", torch.rand(3, 9, 9), large)
    assert read_photo(tmp_path / "out.png").xmp == large.xmp


def test_reading_what_pillow_reads_loads_no_libvips(colour: Image.Image, tmp_path: Path) -> None:
    colour.save(tmp_path / "a.jpg")
    code = (
        "import sys; from pathlib import Path; from segsr.files.photo import read_photo;"
        f" read_photo(Path({str(tmp_path / 'a.jpg')!r})); print('pyvips' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
