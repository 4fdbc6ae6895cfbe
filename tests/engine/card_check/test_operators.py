"""The operators that the check compares, on the CPU, where all of them are right."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from src.engine.card_check import operators, references
from src.engine.card_check.table import FAILED, NOT_COMPARED, NOTE, OK
from tests.maskrcnn import twins


@pytest.fixture(autouse=True, scope="module")
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")


def test_the_cpu_passes():
    rows = operators.all_rows(simulated=False)
    assert {row.name: row.result for row in rows if row.result != OK} == {}
    assert len(rows) == 7
    assert {row.result for row in operators.all_rows(simulated=True)} == {NOT_COMPARED}


def test_references_are_those_of_the_tests():
    rng = np.random.default_rng(0)
    boxes = twins.random_boxes(rng, 200, 300, 300)
    np.testing.assert_allclose(references.iou(boxes), twins.iou(boxes, boxes), atol=1e-12)
    np.testing.assert_array_equal(references.greedy_nms(boxes, 0.3), twins.greedy_nms(boxes, 0.3))


@pytest.mark.parametrize(
    ("name", "results"),
    [("greedy_nms", {FAILED: 2}), ("roi_align", {FAILED: 1, NOTE: 1}), ("priorities", {NOTE: 1})],
)
def test_a_row_fails_where_a_value_is_wrong(monkeypatch, name, results):
    right = getattr(references, name)

    def wrong(*arguments):
        values = right(*arguments).copy()
        values.flat[3] = 1 - values.flat[3]
        return values

    monkeypatch.setattr(references, name, wrong)
    rows = operators.all_rows(simulated=False)
    for result, count in results.items():
        assert sum(row.result == result for row in rows) == count
    assert sum(row.result != OK for row in rows) == sum(results.values())


@pytest.mark.parametrize(
    ("values", "result"),
    [
        (np.random.default_rng(0).uniform(-(2.0**15), 0, 20000), NOTE),
        (np.zeros(20000), FAILED),
        (np.full(20000, np.nan), FAILED),
        (np.arange(-20000, 0), FAILED),  # the first positions would always lose
        (np.repeat(np.random.default_rng(0).uniform(-(2.0**15), 0, 200), 100), FAILED),
    ],
)
def test_other_priorities_are_a_note_only_if_they_draw_at_random(monkeypatch, values, result):
    priorities = ms.Tensor(values[None].astype(np.float32))
    monkeypatch.setattr(operators, "Priorities", lambda: lambda _: priorities)
    assert operators.check_priorities(simulated=False).result == result
