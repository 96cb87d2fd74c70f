"""The page's own addresses: whose files are whose, what is closed, what no answer tells."""

import re
import time

import pytest

gradio = pytest.importorskip("gradio", reason="segsr[app] is not installed")
from starlette.testclient import TestClient  # noqa: E402

from segsr.app.guard import COOKIE  # noqa: E402
from segsr.app.server import application, files_folder  # noqa: E402


@pytest.fixture
def page(restorer, root, limits):
    """Asks the server of a page; every client made of it is a visitor."""
    return application(restorer, root, limits)


@pytest.fixture
def visitor(page):
    """Makes a visitor who has opened the page."""

    def visitor():
        client = TestClient(page, raise_server_exceptions=False)
        assert client.get("/").status_code == 200
        assert COOKIE in client.cookies
        return client

    return visitor


def upload(client, content, name="photo.png"):
    return client.post("/page/photos", files={"image": (name, content)})


def test_a_file_is_fetched_by_its_visitor_alone(visitor, page, photo):
    one, other = visitor(), visitor()
    told = upload(one, photo()).json()
    assert (told["name"], told["width"], told["height"]) == ("photo.png", 20, 12)
    assert one.get(told["address"]).content[:4] == b"\x89PNG"
    refused = other.get(told["address"])
    assert refused.status_code == 404
    assert "no such file of yours" in refused.json()["error"]
    assert TestClient(page).get(told["address"]).status_code == 404  # without any cookie


def test_who_has_no_cookie_leaves_nothing(page, photo, files_left):
    answer = upload(TestClient(page), photo())
    assert answer.status_code == 403
    assert "reload the page" in answer.json()["error"]
    assert files_left() == []


def test_after_an_hour_files_are_gone(visitor, photo, files_left, monkeypatch):
    client = visitor()
    address = upload(client, photo()).json()["address"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert client.get(address).status_code == 404
    upload(client, b"")  # whoever comes next has the old ones deleted; so does the clock
    assert files_left() == []


def test_what_is_refused_leaves_nothing(visitor, files_left):
    client = visitor()
    for content, name in ((b"", "a.png"), (b"<script>", "../../x"), (bytes(2**21), "b.png")):
        answer = upload(client, content, name)
        assert answer.status_code in (400, 413)
        assert answer.json()["error"]
    assert files_left() == []


def test_a_sample_is_a_photograph_too(visitor):
    client = visitor()
    told = client.post("/page/samples/picos").json()
    assert (told["name"], told["width"], told["height"]) == ("picos.png", 128, 128)
    assert client.post("/page/samples/none").status_code == 400


CLOSED = (
    ("POST", "/gradio_api/upload"),
    ("POST", "/upload"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/file=pyproject.toml"),
    ("GET", "/file=/etc/passwd"),
    ("GET", "/gradio_api/proxy=http://example.org"),
    ("POST", "/gradio_api/run/restore"),
    ("POST", "/gradio_api/call/restore"),
    ("GET", "/gradio_api/runs"),
    ("GET", "/monitoring"),
    ("GET", "/static/../../../../etc/passwd"),
    ("GET", "/assets/..%2f..%2fpage.py"),
    ("POST", "/gradio_api/component_server"),
)


def test_gradio_s_other_addresses_are_closed(visitor):
    client = visitor()
    answers = {pair: client.request(*pair).status_code for pair in CLOSED}
    assert answers == dict.fromkeys(CLOSED, 404)


def test_no_answer_names_a_place_on_the_machine(visitor, photo, root, restorer):
    client = visitor()
    told = upload(client, photo())
    answers = [
        told,
        *(client.get(each) for each in ("/", "/config", "/health", "/docs", "/openapi.json")),
        client.get("/files/none"),
        upload(client, b"no photograph"),
    ]
    places = (str(root), gradio.__file__.rsplit("/", 2)[0], restorer.pipeline.__module__ + ".py")
    for answer in answers:
        assert not [place for place in places if place in answer.text], answer.url
        assert not re.search(r"/(tmp|home|root|usr|var)/", answer.text), answer.url


def test_the_page_may_load_nothing_from_elsewhere(page):
    answer = TestClient(page).get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
    secure = TestClient(page, base_url="https://x").get("/")
    assert "; Secure" in secure.headers["set-cookie"]


def test_what_killed_servers_left_is_cleared_and_what_lives_is_not(limits, tmp_path, monkeypatch):
    import os
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, age in (("segsr-app-old", 2 * limits.keep), ("segsr-app-new", 10), ("other", 1e6)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with files_folder(limits) as folder:
        there = {path.name for path in tmp_path.iterdir()}
        assert there == {folder.name, "segsr-app-new", "other"}
    assert not folder.exists()
