"""A server with a tiny model whose image branch follows the mask, and requests to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tiny
from PIL import Image

from segsr.app.limits import Limits
from segsr.app.restorer import Restorer
from segsr.inference.pipeline import SegSRPipeline


def png(width=20, height=12, seed=0, **options):
    """The bytes of a PNG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture
def photo():
    """Makes the bytes of a PNG."""
    return png


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A model folder whose bridge is not silent."""
    folder = tmp_path_factory.mktemp("tiny_model")
    tiny.joint(seed=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def restorer(model_folder):
    """The model of that folder."""
    return Restorer(SegSRPipeline.from_pretrained(model_folder), str(model_folder))


@pytest.fixture
def limits():
    """What visitors of tests may ask for."""
    return Limits(bytes=2**20, pixels=20_000, queue=4)


@pytest.fixture
def root(tmp_path):
    """Where visitors' files are."""
    folder = tmp_path / "visitors"
    folder.mkdir()
    return folder


@pytest.fixture
def client(restorer, root, limits):
    """Asks the HTTP interface, without the page."""
    pytest.importorskip("fastapi", reason="segsr[app] is not installed")
    testclient = pytest.importorskip("starlette.testclient")
    from segsr.app.server import application

    app = application(restorer, root, limits, page=False)
    with testclient.TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def files_left(root):
    """All files that are still there."""
    return lambda: [path for path in root.rglob("*") if path.is_file()]
