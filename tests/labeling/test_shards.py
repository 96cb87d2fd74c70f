from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from segsr.errors import SegSRError
from segsr.labeling.photos import PhotoToLabel
from segsr.labeling.shards import ShardRecord, cut, is_finished, read_record, write_record


@pytest.fixture
def items():
    return [PhotoToLabel(Path(f"/photos/{i}.jpg"), f"{i}.png") for i in range(7)]


def test_shards_are_neighbours(items):
    shards = cut(items, 3)
    assert [len(shard.items) for shard in shards] == [3, 3, 1]
    assert [item for shard in shards for item in shard.items] == items
    assert [shard.index for shard in shards] == [0, 1, 2]
    assert cut([], 3) == []
    with pytest.raises(SegSRError, match="at least 1 photograph, got 0"):
        cut(items, 0)


def test_a_record_is_read_back(items, tmp_path):
    shard = cut(items, 3)[1]
    record = ShardRecord(shard.digest, 3, 2, Counter({0: 5, 255: 7}), {"/photos/3.jpg": "bad"})
    write_record(shard, tmp_path, record)
    assert read_record(shard, tmp_path) == record
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["00001.json"]


def test_a_shard_is_finished_once_nothing_fails(items, tmp_path):
    shard = cut(items, 7)[0]
    assert not is_finished(shard, tmp_path)
    write_record(shard, tmp_path, ShardRecord(shard.digest, 7, failed={"x": "bad"}))
    assert not is_finished(shard, tmp_path)
    write_record(shard, tmp_path, ShardRecord(shard.digest, 7))
    assert is_finished(shard, tmp_path)


def test_a_record_of_other_photographs_or_a_damaged_one_does_not_count(items, tmp_path):
    shard = cut(items, 7)[0]
    write_record(shard, tmp_path, ShardRecord(shard.digest, 7))
    assert not is_finished(cut(items[1:], 7)[0], tmp_path)
    moved = [PhotoToLabel(Path("/elsewhere") / item.photo.name, item.mask) for item in items]
    assert is_finished(cut(moved, 7)[0], tmp_path)
    for damage in ("", "[]", "{}", '{"digest": 1, "photos": 2, "pixels": []}'):
        (tmp_path / "shards/00000.json").write_text(damage)
        assert not is_finished(shard, tmp_path)
