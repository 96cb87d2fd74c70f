"""Visitors' files: whose they are, and for how long."""

import time

import pytest

from segsr.app.limits import Limits
from segsr.app.visitors import Visitors, is_key, new_visitor
from segsr.errors import SegSRError


def kept(visit, name="x.png", content=b"x"):
    (visit.folder / name).write_bytes(content)
    return visit.keep(visit.folder / name, name).removeprefix("files/")


def test_a_file_is_its_visitor_s_alone(root):
    visitors = Visitors(root, Limits())
    one, other = new_visitor(), new_visitor()
    visit = visitors.begin(one)
    token = kept(visit)
    assert visitors.file(one, token).path.read_bytes() == b"x"
    assert visitors.file(other, token) is None
    assert visitors.file(None, token) is None
    assert visitors.find(other, visit.token) is None
    assert visitors.find(one, visit.token) is visit
    assert visitors.file(one, "else") is None


def test_after_an_hour_it_is_gone(root, monkeypatch):
    visitors = Visitors(root, Limits(keep=3600))
    one = new_visitor()
    token = kept(visitors.begin(one))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3599)
    visitors.sweep()
    assert visitors.file(one, token) is not None
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert visitors.file(one, token) is None  # even before it is swept
    visitors.sweep()
    assert list(root.iterdir()) == []
    assert len(visitors) == 0


def test_the_oldest_of_many_goes(root):
    visitors = Visitors(root, Limits(photos=2))
    one, other = new_visitor(), new_visitor()
    others = kept(visitors.begin(other))
    tokens = [kept(visitors.begin(one)) for _ in range(3)]
    assert [visitors.file(one, token) is not None for token in tokens] == [False, True, True]
    assert visitors.file(other, others) is not None


def test_a_full_disk_is_a_sentence(root):
    visitors = Visitors(root, Limits(disk=3))
    kept(visitors.begin(new_visitor()), content=b"1234")
    with pytest.raises(SegSRError, match="no room for more photographs"):
        visitors.begin(new_visitor())


def test_keys_are_long_and_differ():
    keys = {new_visitor() for _ in range(100)}
    assert len(keys) == 100
    assert all(map(is_key, keys))
    assert not any(map(is_key, ("", None, "a" * 42, "../" + "a" * 40)))
