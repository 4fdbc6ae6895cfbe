"""What the compilation of a first start spends its time on, by MindSpore's own records of its phases.

    python -m benchmarks.compile_phases smallest       # a graph of one addition: MindSpore by itself
    python -m benchmarks.compile_phases train          # a training step of the default network
    python -m benchmarks.compile_phases small-train    # of the demo's network

Run it from the project's folder. The first graph of a process takes part in loading MindSpore's operators.
Prints a line for each phase of a tenth of a second and more: its seconds, summed over all graphs of the
process, and the graph's nodes after it; then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from datetime import datetime

from benchmarks.timing import ROOT

# "...:2026-11-29-17:22:17.353.257 [mindspore/...] ...] Status record: start type_inference action."
_PHASE = re.compile(
    r"(\d{4}-\d\d-\d\d-[\d:]{8}\.\d{3}\.\d{3}) .*Status record: (start|end) (.+?)( action)?\.$"
)
_NODES = re.compile(r"Extra status record: total func graphs: \d+, total nodes: (\d+)")
_LEAST_SECONDS = 0.1
RUN_SMALLEST = "from benchmarks.compile_phases import run_smallest; run_smallest()"


def run_smallest() -> None:
    """Compile and run a graph of one addition."""
    import mindspore as ms
    from mindspore import nn

    class Sum(nn.Cell):
        def construct(self, x):
            return x + 1.0

    ms.set_context(mode=ms.GRAPH_MODE)
    Sum()(ms.Tensor([1.0]))


def phases(log: str) -> tuple[dict[str, float], dict[str, int]]:
    """(seconds, nodes afterwards) of each phase that a log records, nested ones as well."""
    seconds: dict[str, float] = defaultdict(float)
    nodes: dict[str, int] = {}
    started = {}
    last = None
    for line in log.splitlines():
        found = _PHASE.search(line)
        if found:
            when = datetime.strptime(_without_last_dot(found[1]), "%Y-%m-%d-%H:%M:%S.%f")
            if found[2] == "start":
                started[found[3]] = when
            elif found[3] in started:
                seconds[found[3]] += (when - started.pop(found[3])).total_seconds()
                last = found[3]
            continue
        found = _NODES.search(line)
        if found and last is not None:
            nodes[last] = int(found[1])
    return dict(seconds), nodes


def _without_last_dot(stamp: str) -> str:
    """MindSpore writes milliseconds and microseconds apart: 17:22:17.353.257."""
    head, tail = stamp.rsplit(".", 1)
    return head + tail


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("smallest", "train", "small-train"))
    args = parser.parse_args()
    command = [sys.executable, "-c", RUN_SMALLEST]
    if args.what != "smallest":
        command = [sys.executable, "-m", "benchmarks.step_time", args.what, "--repeats", "1"]
    # GLOG_minloglevel: the project sets it by GLOG_v, which would leave the records out.
    variables = dict(os.environ, GLOG_v="3", GLOG_minloglevel="0", MS_SUBMODULE_LOG_v="{PIPELINE:1}")
    done = subprocess.run(command, cwd=ROOT, env=variables, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    seconds, nodes = phases(done.stdout + "\n" + done.stderr)
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        if spent >= _LEAST_SECONDS:
            print(f"{spent:7.2f} s  {name:40} {nodes.get(name, '')}")
    rounded = {name: round(spent, 3) for name, spent in seconds.items() if spent >= _LEAST_SECONDS}
    print(json.dumps({"what": args.what, "phases": rounded}))


if __name__ == "__main__":
    main()
