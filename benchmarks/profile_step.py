"""Where a step's time goes, on the CPU: by kind of work, with the GFLOP/s that oneDNN's convolutions and matrix products reach.

    python benchmarks/profile_step.py train --height 768 --width 1280 --gts 8
    python benchmarks/profile_step.py infer --height 256 --width 256
    python benchmarks/profile_step.py onnx --height 256 --width 256

Takes the arguments of step_time.py. `onnx` is the exported file: its products and the rest by ONNX Runtime's own profile, a part of the network a
line. In the others operators are timed by MindSpore's profiler, convolutions also by oneDNN itself. What the operators' sum leaves of the step
is waiting and scheduling; operators that ran at the same time can make the sum larger than the step. Memory: the largest at each tenth of
the step.
"""

import collections
import glob
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

KINDS = (
    ("convolution, forward (and input gradients computed as one)", r"^Conv2D$"),
    ("convolution, input gradient", r"^Conv2DBackpropInput$"),
    ("convolution, weight gradient by the operator", r"^Conv2DBackpropFilter$"),
    ("matrix products", r"MatMul$"),
    ("pooling", r"^MaxPool"),
    ("NMS", r"^NMS"),
    ("optimiser", r"^(ApplyMomentum|Adam)"),
    ("norms", r"^BatchNorm"),
    ("choosing: top-k, sorting, gathering", r"^(TopK|Sort|Gather|UnsortedSegment|NonZero)"),
    ("element-wise, copies and sums", r""),
)
CUSTOM = (
    ("convolutions by the kernel, all three", "KernelConvolution"),
    ("RoIAlign", "RoIAlign|KernelPool"),
    ("windows of the RPN's losses", "Windows"),
    ("mask branch, forward and gradients", "MaskLossKernel"),
    ("assignment", "Matcher|Sampler"),
    ("other compiled kernels", ""),
)


def kind_of(path):
    """The kind of work of an operator's full name, 'Default/network-MaskRcnn/.../Conv2D-op3'."""
    operator = re.sub(r"-op\d+$", "", path.rsplit("/", 1)[-1])
    if operator == "Custom":
        return next(kind for kind, pattern in CUSTOM if re.search(pattern, path))
    return next(kind for kind, pattern in KINDS if re.search(pattern, operator))


def read_operators(folder):
    """[(start in ns, milliseconds, full name)] of MindSpore's profile."""
    path = glob.glob(f"{folder}/*/FRAMEWORK/cpu_op_execute_timestamp_0.txt")[0]
    rows = (line.strip().split(";") for line in open(path) if line.strip())
    return sorted(
        (int(times.split(",")[0]), float(times.split(",")[1].split()[0]), name) for name, _, times in rows
    )


def gflop(problem):
    """GFLOP of a oneDNN convolution's description, 'mb2_ic256oc256_ih192oh192kh3..._iw320ow320kw3...'; 0 for another."""
    size = {name: int(value) for name, value in re.findall(r"(mb|ic|oc|oh|ow|kh|kw)(\d+)", problem)}
    return (
        2e-9 * size["mb"] * size["ic"] * size["oc"] * size["oh"] * size["ow"] * size["kh"] * size["kw"]
        if len(size) == 7
        else 0.0
    )


def read_onednn(lines):
    """{direction: [GFLOP, seconds]} of the convolutions that oneDNN reported (DNNL_VERBOSE=1)."""
    found = collections.defaultdict(lambda: [0.0, 0.0])
    for line in lines:
        fields = line.strip().split(",")
        if fields[:2] == ["dnnl_verbose", "exec"] and fields[3] == "convolution":
            found[fields[5]][0] += gflop(fields[-2])
            found[fields[5]][1] += float(fields[-1]) / 1e3
    return found


def resident_mb():
    return (
        int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) // 1024
    )


def profile(call):
    """(seconds, operators, oneDNN's convolutions, resident megabytes over time) of one `call()`."""
    from mindspore.profiler import Profiler, ProfilerActivity

    memory, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.005):
            memory.append(resident_mb())

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as reports:
        profiler, watcher, screen = (
            Profiler(output_path=folder, activities=[ProfilerActivity.CPU]),
            threading.Thread(target=watch),
            os.dup(1),
        )
        watcher.start()
        os.dup2(reports.fileno(), 1)  # oneDNN writes its reports to the standard output
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        profiler.stop()
        profiler.analyse()
        os.dup2(screen, 1)
        ended.set()
        watcher.join()
        reports.seek(0)
        return seconds, read_operators(folder), read_onednn(reports), memory


def show(seconds, operators, convolutions, memory):
    times, counts = collections.Counter(), collections.Counter()
    for _, milliseconds, name in operators:
        times[kind_of(name)] += milliseconds / 1e3
        counts[kind_of(name)] += 1
    print(
        f"step {seconds:.2f} s, operators {sum(times.values()):.2f} s, waiting and scheduling {max(0, seconds - sum(times.values())):.2f} s"
    )
    for kind, spent in times.most_common():
        print(f"{kind:60s} {spent:8.3f} s {100 * spent / seconds:5.1f} %  {counts[kind]:4d} calls")
    for direction, (work, spent) in convolutions.items():
        print(
            f"oneDNN {direction:53s} {spent:8.3f} s  {work:6.0f} GFLOP, {work / max(spent, 1e-9):4.0f} GFLOP/s"
        )
    print(
        "longest: "
        + "; ".join(
            f"{milliseconds:.0f} ms {name[-90:]}"
            for _, milliseconds, name in sorted(operators, key=lambda one: -one[1])[:8]
        )
    )
    tenths = [
        max(memory[len(memory) * i // 10 : max(len(memory) * (i + 1) // 10, len(memory) * i // 10 + 1)])
        for i in range(10)
    ]
    print("resident megabytes, each tenth: " + " ".join(str(mb) for mb in tenths))


def show_parts(seconds, parts, peak):
    print(
        f"run {seconds:.2f} s, operators {sum(row[0] + row[2] for row in parts.values()):.2f} s; "
        f"a matrix product of 2,048 x 2,048 numbers by NumPy: {peak:.0f} GFLOP/s"
    )
    for part, (products, work, rest) in sorted(parts.items(), key=lambda one: -one[1][0] - one[1][2]):
        print(
            f"{part:20s} {products + rest:7.3f} s {100 * (products + rest) / seconds:5.1f} %: convolutions and matrix products {products:7.3f} s, "
            f"{work:5.0f} GFLOP, {work / max(products, 1e-9):4.0f} GFLOP/s; the rest {rest:6.3f} s"
        )


def main():
    os.environ["DNNL_VERBOSE"] = "1"
    from benchmarks.timing import parse

    args = parse(__doc__, ("train", "infer", "onnx"))
    if args.what == "onnx":  # imported after the limits: it loads libraries that start threads
        from benchmarks import onnx_work

        return show_parts(*onnx_work.profile(args))
    from benchmarks import work

    screen = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # oneDNN's reports on what is not profiled
    call = {"train": work.training, "infer": work.inference}[args.what](args)[0]
    call(0)
    os.dup2(screen, 1)
    show(*profile(lambda: call(1)))


if __name__ == "__main__":
    main()
