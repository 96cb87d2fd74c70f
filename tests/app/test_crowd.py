"""A hundred at once: none is lost, all are in order, memory stays."""

import asyncio

import psutil
import pytest
import torch

httpx = pytest.importorskip("httpx", reason="segsr[app] is not installed")
pytest.importorskip("fastapi", reason="segsr[app] is not installed")

from segsr.app.limits import Limits  # noqa: E402
from segsr.app.server import application  # noqa: E402
from segsr.inference.restoration import Restoration  # noqa: E402

CROWD = 100


@pytest.fixture
def quick(restorer, monkeypatch):
    """A model that enlarges at once, and the seeds of what it did, in order."""
    done = []

    def restore(photo, name, settings, turn, mask=None):
        done.append(settings.seed)
        turn.advance()
        image = photo.image.repeat_interleave(4, 1).repeat_interleave(4, 2)
        classes = torch.zeros(image.shape[1:], dtype=torch.long)
        return Restoration(image, classes, classes, [])

    monkeypatch.setattr(restorer, "restore", restore)
    return done


def ask(app, contents):
    """The answers to requests that are all made at once, and the order they came in."""
    came = []

    async def one(client, seed, content):
        files = {"image": ("photo.png", content)}
        answer = await client.post("/api/restore", files=files, data={"seed": str(seed)})
        came.append(seed)
        return answer

    async def all_of_them():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", timeout=300) as c:
            return await asyncio.gather(*(one(c, i, each) for i, each in enumerate(contents)))

    return asyncio.run(all_of_them()), came


@pytest.mark.slow
def test_none_of_a_hundred_is_lost_and_memory_stays(restorer, root, quick, photo, files_left):
    app = application(restorer, root, Limits(queue=CROWD), page=False)
    contents = [photo(100, 80, seed) for seed in range(CROWD)]
    memory = []
    for _ in range(3):
        quick.clear()
        answers, came = ask(app, contents)
        memory.append(psutil.Process().memory_info().rss)
        assert [answer.status_code for answer in answers] == [200] * CROWD
        assert sorted(quick) == list(range(CROWD))
        late = [abs(came.index(seed) - place) for place, seed in enumerate(quick)]
        assert max(late) <= 3  # answers leave in the order of the line, but for the loop's own
        assert len({answer.content for answer in answers}) == CROWD  # to each its own
        assert files_left() == []
    assert memory[-1] - memory[1] < 30 * 2**20


@pytest.mark.slow
def test_who_does_not_fit_is_told_and_the_line_holds(restorer, root, quick, photo, files_left):
    app = application(restorer, root, Limits(queue=8), page=False)
    answers, _ = ask(app, [photo(100, 80)] * CROWD)
    kinds = [answer.status_code for answer in answers]
    assert set(kinds) <= {200, 503}
    assert kinds.count(200) == len(quick) >= 9  # one at work, eight waiting
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert "8 restorations are waiting" in answer.json()["error"]
    assert files_left() == []
