"""Where a step's time goes on the CPU: by kind of work, with the GFLOP/s of convolutions and matrix products.

    python -m benchmarks.profile_step train --height 768 --width 1280 --gts 8
    python -m benchmarks.profile_step infer --height 256 --width 256
    python -m benchmarks.profile_step onnx --height 256 --width 256

Run it from the project's folder, with the arguments of step_time.py. `onnx` is the exported file: ONNX
Runtime's own profile, a line for each part of the network. In the others MindSpore's profiler times the
operators, and oneDNN its convolutions. What the operators' sum leaves of the step is waiting and scheduling.
Operators that ran at the same time can make the sum larger than the step. Memory is the largest of each tenth
of the step.
"""

from __future__ import annotations

import collections
import glob
import math
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks.timing import parse

KINDS = (
    ("convolution, forward (and input gradients computed as one)", r"^Conv2D$"),
    ("convolution, input gradient", r"^Conv2DBackpropInput$"),
    ("convolution, weight gradient by the operator", r"^Conv2DBackpropFilter$"),
    ("matrix products", r"MatMul$"),
    ("pooling", r"^MaxPool"),
    ("NMS", r"^NMS"),
    ("optimiser", r"^(ApplyMomentum|Adam)"),
    ("norms", r"^BatchNorm"),
    ("top-k, sorting, gathering", r"^(TopK|Sort|Gather|UnsortedSegment|NonZero)"),
    ("element-wise, copies and sums", r""),
)
CUSTOM = (
    ("convolutions by the kernel, all three", "KernelConvolution"),
    ("RoIAlign", "RoIAlign|KernelPool"),
    ("RPN losses", "Windows"),
    ("mask branch, forward and gradients", "MaskLossKernel"),
    ("assignment", "Matcher|Sampler"),
    ("other compiled kernels", ""),
)


def kind_of(path: str) -> str:
    """The kind of work of an operator's full name, 'Default/network-MaskRcnn/.../Conv2D-op3'."""
    operator = re.sub(r"-op\d+$", "", path.rsplit("/", 1)[-1])
    if operator == "Custom":
        return next(kind for kind, pattern in CUSTOM if re.search(pattern, path))
    return next(kind for kind, pattern in KINDS if re.search(pattern, operator))


def read_operators(folder: str) -> list[tuple[int, float, str]]:
    """[(start in ns, milliseconds, full name)] of MindSpore's profile."""
    path = glob.glob(f"{folder}/*/FRAMEWORK/cpu_op_execute_timestamp_0.txt")[0]
    rows = (line.strip().split(";") for line in open(path) if line.strip())
    return sorted(
        (int(times.split(",")[0]), float(times.split(",")[1].split()[0]), name) for name, _, times in rows
    )


def gflop(problem: str) -> float:
    """GFLOP of a oneDNN convolution from its description, 'mb2_ic256oc256_ih192oh192...'; 0 for another."""
    size = {name: int(value) for name, value in re.findall(r"(mb|ic|oc|oh|ow|kh|kw)(\d+)", problem)}
    return 2e-9 * math.prod(size.values()) if len(size) == 7 else 0.0


def read_onednn(lines: Iterable[str]) -> dict[str, list[float]]:
    """{direction: [GFLOP, seconds]} of the convolutions that oneDNN reported (DNNL_VERBOSE=1)."""
    found = collections.defaultdict(lambda: [0.0, 0.0])
    for line in lines:
        fields = line.strip().split(",")
        if fields[:2] == ["dnnl_verbose", "exec"] and fields[3] == "convolution":
            found[fields[5]][0] += gflop(fields[-2])
            found[fields[5]][1] += float(fields[-1]) / 1e3
    return found


def resident_mb() -> int:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def profile(call: Callable[[], object]) -> tuple:
    """(seconds, operators, oneDNN's convolutions, resident megabytes over time) of one `call()`."""
    from mindspore.profiler import Profiler, ProfilerActivity

    memory = []
    ended = threading.Event()

    def watch():
        while not ended.wait(0.005):
            memory.append(resident_mb())

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as reports:
        profiler = Profiler(output_path=folder, activities=[ProfilerActivity.CPU])
        watcher = threading.Thread(target=watch)
        stdout = os.dup(1)
        watcher.start()
        os.dup2(reports.fileno(), 1)  # oneDNN writes its reports to the standard output
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        profiler.stop()
        profiler.analyse()
        os.dup2(stdout, 1)
        ended.set()
        watcher.join()
        reports.seek(0)
        return seconds, read_operators(folder), read_onednn(reports), memory


def show(seconds: float, operators: Sequence[tuple], convolutions: dict, memory: Sequence[int]) -> None:
    """Print what `profile` returned."""
    times = collections.Counter()
    counts = collections.Counter()
    for _, milliseconds, name in operators:
        times[kind_of(name)] += milliseconds / 1e3
        counts[kind_of(name)] += 1
    total = sum(times.values())
    waiting = max(0, seconds - total)
    print(f"step {seconds:.2f} s, operators {total:.2f} s, waiting and scheduling {waiting:.2f} s")
    for kind, spent in times.most_common():
        print(f"{kind:60s} {spent:8.3f} s {100 * spent / seconds:5.1f} %  {counts[kind]:4d} calls")
    for direction, (work, spent) in convolutions.items():
        speed = work / max(spent, 1e-9)
        print(f"oneDNN {direction:53s} {spent:8.3f} s  {work:6.0f} GFLOP, {speed:4.0f} GFLOP/s")
    longest = sorted(operators, key=lambda one: -one[1])[:8]
    print("longest: " + "; ".join(f"{milliseconds:.0f} ms {name[-90:]}" for _, milliseconds, name in longest))
    tenths = []
    for i in range(10):
        first = len(memory) * i // 10
        tenths.append(max(memory[first : max(len(memory) * (i + 1) // 10, first + 1)]))
    print("resident megabytes, each tenth: " + " ".join(str(mb) for mb in tenths))


def show_parts(seconds: float, parts: dict, peak: float) -> None:
    """Print what `onnx_work.profile` returned."""
    print(
        f"run {seconds:.2f} s, operators {sum(row[0] + row[2] for row in parts.values()):.2f} s; "
        f"a matrix product of 2,048 x 2,048 numbers by NumPy: {peak:.0f} GFLOP/s"
    )
    for part, (products, work, rest) in sorted(parts.items(), key=lambda one: -one[1][0] - one[1][2]):
        print(
            f"{part:20s} {products + rest:7.3f} s {100 * (products + rest) / seconds:5.1f} %: "
            f"convolutions and matrix products {products:7.3f} s, {work:5.0f} GFLOP, "
            f"{work / max(products, 1e-9):4.0f} GFLOP/s; the rest {rest:6.3f} s"
        )


def main() -> None:
    os.environ["DNNL_VERBOSE"] = "1"
    args = parse("profile_step", __doc__, ("train", "infer", "onnx"))
    if args.what == "onnx":  # imported after the threads are limited: it loads libraries that start threads
        from benchmarks import onnx_work

        return show_parts(*onnx_work.profile(args))
    from benchmarks import work

    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # oneDNN's reports on what is not profiled
    compiled = work.training(args)[0] if args.what == "train" else work.inference(args)
    compiled.call(compiled.make(0))
    os.dup2(stdout, 1)
    show(*profile(lambda: compiled.call(compiled.make(1))))


if __name__ == "__main__":
    main()
