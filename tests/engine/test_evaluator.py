"""How evaluation is shared over processes; two of them evaluate in test_two_ranks.py."""

import pytest

from src.engine.inference.evaluation import own_records


@pytest.mark.parametrize(("count", "num", "sizes"), [(42, 4, [11, 11, 10, 10]), (2, 3, [1, 1, 0])])
def test_shares_as_detectron2_makes_them(count, num, sizes):
    shares = [own_records(list(range(count)), 1, rank, num) for rank in range(num)]
    assert [len(part) for part in shares] == sizes
    assert sorted(sum(shares, [])) == list(range(count))
