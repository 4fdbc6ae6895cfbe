"""MindSpore's plan of the card's memory, read and checked.

    python -m tests.ascend.programs.memory_plan [KEY=VALUE ...]

Compiles and launches the demo's training step on the stand-ins of CANN's libraries, and prints one line of
JSON: {"arrays": how many have a place, "overlaps": [[array, array], ...] of those that share bytes while both
are needed, "apart": [node, ...] that hand an array on under another shape but have a place of their own for
it, "writing": nodes that have to write what they give, "calls": of CANN in a launch}.

How long an array is needed is not taken from the plan but found anew: from the node that gives it to the last
one that takes it, in the order of launching. A node that launches nothing would leave its place unwritten; so
there have to be as many calls as nodes that write.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import mindspore as ms

from src.config import load_config
from tests.ascend.graphs import CLASSES, DEMO
from tests.ascend.programs.launch import calls_of_cann, make_graph
from tests.ascend.programs.step_cells import start_card

# They give the bytes that they take.
OTHER_SHAPE = ("ExpandDims", "Reshape")
_ARRAY = re.compile(r"^%(\d+)T\t#\d+S\t#(\d+)S\t&(\d+)\t(\w+)\t(\w+)\t", re.MULTILINE)
_NODE = re.compile(
    r"^\$(\d+)\t(\S+)\t\d+\tinputs\[(.*?)\]\toutputs\[(.*?)\]\tworkspace\[(.*?)\]", re.MULTILINE
)
_UNION = re.compile(r"^union tensors: \[(.*?)\]", re.MULTILINE)


def main() -> None:
    config = load_config([CLASSES, *sys.argv[1:]], DEMO[1])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MS_DEV_DUMP_IR_PASSES"] = "graph_build"  # of the graphs only one: they take minutes
        ms.set_context(save_graphs=3, save_graphs_path=folder)
        started = start_card(config)
        ms.set_context(jit_config={"jit_level": "O0"})
        cell, inputs = make_graph("training", config, started)
        cell(*inputs).asnumpy()
        calls = calls_of_cann()
        cell(*inputs).asnumpy()
        calls = calls_of_cann() - calls
        (plan,) = Path(folder).rglob("Ascend_somas_tensor_offset_*.ir")
        report = check(plan.read_text())
    print(json.dumps({**report, "calls": calls}), flush=True)


def check(text: str) -> dict:
    """{"arrays", "overlaps", "apart", "writing"} of the text of a plan."""
    nodes = [(match[2], *(_numbers(match[group]) for group in (3, 4, 5))) for match in _NODE.finditer(text)]
    needed = _needed(nodes)
    same = {}
    for match in _UNION.finditer(text):
        members = _numbers(match[1])
        same.update(dict.fromkeys(members, min(members)))
    places = {}
    for match in _ARRAY.finditer(text):
        array = int(match[1])
        if array not in needed or int(match[2]) == 0 or match[4] == "GraphInput":  # a parameter has a place
            continue
        first, last = needed[array]
        if match[5] in ("LifeLongGraphEnd", "LifeLongGraphAll"):
            last = len(nodes)
        owner = same.get(array, array)
        start = int(match[3])
        old = places.get(owner, (first, last, start, start))
        end = max(old[3], start + int(match[2]))
        places[owner] = (min(first, old[0]), max(last, old[1]), start, end)
    overlaps = [
        [one, other]
        for one, (first, last, start, end) in places.items()
        for other, (first2, last2, start2, end2) in places.items()
        if other < one and first <= last2 and first2 <= last and start < end2 and start2 < end
    ]
    reshapes = [node for node in nodes if _operator(node[0]) in OTHER_SHAPE]
    apart = [
        name
        for name, taken, given, _ in reshapes
        if taken and same.get(taken[0], taken[0]) != same.get(given[0], given[0])
    ]
    writing = len(nodes) - len(reshapes)
    return {"arrays": len(places), "overlaps": overlaps, "apart": apart, "writing": writing}


def _needed(nodes):
    """{array: (the first node that has to do with it, the last one)}, as places in the order of launching."""
    needed = {}
    for place, (_, *arrays) in enumerate(nodes):
        for array in sum(arrays, []):
            first, _ = needed.get(array, (place, place))
            needed[array] = (first, place)
    return needed


def _numbers(text):
    return [int(number) for number in re.findall(r"%(\d+)T", text)]


def _operator(name):
    return name.rsplit("/", 1)[-1].split("-op")[0]


if __name__ == "__main__":
    main()
