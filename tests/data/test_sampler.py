from __future__ import annotations

import pytest

from segsr.data.sampler import EvaluationSampler, PositionSampler, index_at


def test_every_pass_is_another_permutation():
    passes = [[index_at(3, p, 10) for p in range(e * 10, e * 10 + 10)] for e in range(3)]
    assert all(sorted(indices) == list(range(10)) for indices in passes)
    assert len({tuple(indices) for indices in passes}) == 3
    assert passes[1] != [index_at(4, p, 10) for p in range(10, 20)]


def test_the_stream_runs_on_over_the_passes():
    begin = [0]
    sampler = PositionSampler(range(7), 3, lambda: begin[0])
    assert len(sampler) == 9  # three batches are the fewest that hold all seven
    assert list(sampler) == list(range(9))
    begin[0] = 12
    assert list(sampler) == list(range(12, 21))


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_batches_of_one_rank(world_size):
    batch_size, begin = 2, 12
    whole = list(PositionSampler(range(25), batch_size * world_size, lambda: begin))
    ranks = [
        list(PositionSampler(range(25), batch_size, lambda: begin, rank=r, world_size=world_size))
        for r in range(world_size)
    ]
    assert len({len(positions) for positions in ranks}) == 1
    for i in range(len(whole) // (batch_size * world_size)):
        together = [p for ps in ranks for p in ps[i * batch_size : (i + 1) * batch_size]]
        alone = whole[i * batch_size * world_size : (i + 1) * batch_size * world_size]
        assert sorted(together) == alone


def test_evaluation_takes_every_index_once():
    ranks = [list(EvaluationSampler(range(5), rank=r, world_size=2)) for r in range(2)]
    assert ranks == [[0, 2, 4], [1, 3]]


def test_even_evaluation_gives_every_rank_as_many():
    ranks = [list(EvaluationSampler(range(5), even=True, rank=r, world_size=3)) for r in range(3)]
    assert ranks == [[0, 3], [1, 4], [2, 0]]
    assert [
        len(EvaluationSampler(range(1), even=True, rank=r, world_size=3)) for r in range(3)
    ] == [
        1,
        1,
        1,
    ]
