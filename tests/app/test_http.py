"""The HTTP interface: restored as by the command line, refused in sentences, nothing left."""

import io
import json
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from segsr.cli import main
from segsr.inference.size import Size
from segsr.inference.upscale import upscale_files
from segsr.model.options import SamplingOptions


def post(client, content, name="photo.png", **fields):
    return client.post("/api/restore", files={"image": (name, content)}, data=fields)


def test_the_answer_is_the_command_line_s_file_to_the_byte(
    client, photo, model_folder, tmp_path, files_left
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.png").write_bytes(photo())
    command = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--seed", "3"]
    assert main([*command, "--model", str(model_folder), "--steps", "3", "--device", "cpu"]) == 0
    picture = post(client, photo(), seed=3, steps=3)
    mask = post(client, photo(), seed=3, steps=3, answer="mask")
    assert picture.status_code == mask.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert picture.content == (tmp_path / "out" / "photo.png").read_bytes()
    assert mask.content == (tmp_path / "out" / "masks" / "photo.png").read_bytes()
    assert files_left() == []


def test_colour_strength_and_size_are_the_command_line_s_too(client, photo, model_folder, tmp_path):
    (tmp_path / "photo.png").write_bytes(photo())
    upscale_files(
        [tmp_path / "photo.png"],
        tmp_path / "out",
        model=str(model_folder),
        options=SamplingOptions(strength=0.5, colour="wavelet"),
        size=Size(2.5),
        device="cpu",
    )
    answer = post(client, photo(), strength=0.5, colour="wavelet", scale=2.5)
    assert answer.content == (tmp_path / "out" / "photo.png").read_bytes()


def test_a_mask_is_held(client, photo, model_folder, tmp_path):
    held = io.BytesIO()
    Image.new("L", (20, 12), 5).save(held, "PNG")
    files = {"image": ("photo.png", photo()), "mask": ("mask.png", held.getvalue())}
    answer = client.post("/api/restore", files=files, data={"answer": "mask"})
    assert (np.asarray(Image.open(io.BytesIO(answer.content))) == 5).all()
    picture = client.post("/api/restore", files=files)
    (tmp_path / "photo.png").write_bytes(photo())
    (tmp_path / "mask.png").write_bytes(held.getvalue())
    upscale_files(
        [tmp_path / "photo.png"],
        tmp_path / "out",
        model=str(model_folder),
        mask=tmp_path / "mask.png",
        device="cpu",
    )
    assert picture.content == (tmp_path / "out" / "photo.png").read_bytes()


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"steps": 0}, 422, "steps: input should be greater than or equal to 1"),
        ({"steps": 51}, 400, "steps is 51, but 50 at most"),
        ({"seed": "x"}, 422, "seed: input should be a valid integer"),
        ({"start": "middle"}, 422, "start: input should be 'noise', 'lq' or 'latent'"),
        ({"fidelity": 0.5}, 400, "no controllable decoder"),
        ({"scale": 8}, 400, "scale is 8, but from 1 to 4 is taken here"),
        ({"colour": "red"}, 422, "colour: input should be 'none', 'adain' or 'wavelet'"),
        ({"guidance": "inf"}, 400, "guidance is inf, but must be a number"),
    ],
)
def test_values_that_do_not_fit_are_named(client, photo, fields, status, sentence, files_left):
    answer = post(client, photo(), **fields)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
    assert files_left() == []


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width=50_000, height=50_000):
    """A PNG that claims 2.5 billion pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + end


def text_bomb():
    text = b"comment\0\0" + zlib.compress(bytes(200 << 20), 9)
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"zTXt", text)
    body = chunk(b"IDAT", zlib.compress(bytes(8 * 25)))
    return b"\x89PNG\r\n\x1a\n" + parts + body + chunk(b"IEND", b"")


def encoded(kind, size=(20, 12), mode="RGB", colour=0, **options):
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def with_script():
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    exif[0x9286] = b"ASCII\0\0\0<img src=x onerror=alert(1)>"
    return encoded("JPEG", exif=exif.tobytes())


HOSTILE = {
    "nothing": b"",
    "one byte": b"\x00",
    "a pixel bomb": bomb(),
    "a tall bomb": bomb(1, 2**31 - 1),
    "a negative size": bomb(2**32 - 1, 4),
    "no pixels": bomb(0, 0),
    "a text bomb": text_bomb(),
    "a wide photograph": encoded("PNG", (20_001, 1)),
    "many pixels": encoded("PNG", (201, 100)),
    "html": b"<html><script>alert(1)</script></html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "xml entities": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa">]><l>&a;</l>',
    "a program": b"\x7fELF" + bytes(200),
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "a zip": b"PK\x03\x04" + bytes(100),
    "a gzip": zlib.compress(bytes(10**6)),
    "a pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n",
    "a gif": encoded("GIF"),
    "an icon": encoded("ICO", (16, 16)),
    "half a png": noise("PNG")[:5000],
    "half a jpeg": noise("JPEG")[:2000],
    "a png of zeros": b"\x89PNG\r\n\x1a\n" + bytes(300),
    "a jpeg of zeros": b"\xff\xd8\xff\xe0" + bytes(300),
    "a tiff that points at itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "floating point that is no picture": encoded("TIFF", mode="F", colour=1e6),
    "a bmp that lies": b"BM" + struct.pack("<IHHIIiiHH", 54, 0, 0, 54, 40, 99, 99, 1, 24),
    "a ppm that lies": b"P6 90 90 255\n" + bytes(10),
    "json": b'{"image": "/etc/passwd"}',
    "a path": b"file:///etc/passwd",
}
NAMES = ("../../../etc/passwd", "..\\..\\boot.ini", "<script>alert(1)</script>.png", "a\x00.png")


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_uploads_get_a_sentence_and_leave_nothing(client, what, files_left, tmp_path, root):
    number = list(HOSTILE).index(what)
    answer = post(client, HOSTILE[what], NAMES[number % len(NAMES)])
    assert answer.status_code in (400, 413), answer.text
    sentence = answer.json()["error"]
    assert len(sentence.split()) > 3
    assert "\n" not in sentence
    assert not any(word in sentence for word in (str(tmp_path), str(root), "/tmp", "Traceback"))
    assert files_left() == []
    assert post(client, encoded("PNG")).status_code == 200  # and the server still serves


def test_there_are_thirty_of_them():
    assert len(HOSTILE) == 30


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_is_no_harm_to_a_photograph(client, photo, name, files_left):
    assert post(client, photo(), name).status_code == 200
    assert files_left() == []


def test_a_script_in_exif_stays_what_it_is(client, files_left):
    answer = post(client, with_script(), "photo.jpg")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.getexif()[0x010E].startswith("<script>")  # kept, as the command line does


def test_a_body_that_is_too_long_is_refused_before_it_is_read(client, files_left):
    answer = post(client, bytes(2**21))
    assert answer.status_code == 413
    assert "a request may have 1 MB" in answer.json()["error"]

    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(64):
            yield bytes(2**16)

    head = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/restore", content=endless(), headers=head)  # it says no length
    assert answer.status_code == 413
    assert files_left() == []


def test_a_missing_file_is_a_sentence(client):
    assert client.post("/api/restore").status_code == 422
    assert client.post("/api/restore").json()["error"] == "image: field required"


def test_health_is_numbers_and_no_path(client, photo, tmp_path, model_folder):
    post(client, photo())
    post(client, b"")
    told = client.get("/health").json()
    assert told["status"] == "ok"
    assert told["model"] == model_folder.name
    assert told["restorations"] == {"finished": 1, "failed": 0}
    assert told["queue"] == {"running": 0, "waiting": 0, "length": 4}
    assert str(tmp_path.parent) not in json.dumps(told)


def test_the_interface_is_described_without_anything_from_elsewhere(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/health", "/api/restore"}
    page = client.get("/docs")
    assert page.status_code == 200
    for field in ("image", "steps", "temperature", "answer"):
        assert f"<code>{field}</code>" in page.text
    assert not re.findall(r"(?:src|href)=.(?:https?:)?//", page.text)


@pytest.mark.parametrize(
    "address", ["/", "/config", "/gradio_api/info", "/redoc", "/files/../../etc/passwd", "/x"]
)
def test_other_addresses_have_nothing(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_what_nobody_foresaw_is_told_without_details(client, photo, restorer, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(restorer, "restore", fail)
    answer = post(client, photo())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "reason of ours" in answer.json()["error"]
