"""A program in the interpreter's place: it records how it was called, then does what FAKE_PYTHON_DO contains.

FAKE_PYTHON_RECORD   folder for the records (JSON: argv, env, cores)
FAKE_PYTHON_DO       JSON: {rank ("" without one, or "scheduler"): what to do}, which is
                     {"sleep": seconds, "wait for": a file that then is there, "code": exit code, "file": to
                     write}
"""

import json
import os
import signal
import sys
import time

rank = os.environ.get("RANK_ID", "")
if os.environ.get("MS_ROLE") == "MS_SCHED":
    rank = "scheduler"
todo = json.loads(os.environ.get("FAKE_PYTHON_DO", "{}")).get(rank, {})
record = os.path.join(os.environ["FAKE_PYTHON_RECORD"], f"{os.getpid()}")


def write(name, content):
    with open(name + ".part", "w") as file:
        json.dump(content, file)
    os.rename(name + ".part", name)


def on_term(number, frame):
    write(record + ".signal", number)
    sys.exit(todo.get("code on signal", 128 + number))


signal.signal(signal.SIGTERM, on_term)
if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, on_term)
write(
    record + ".json",
    {"argv": sys.argv[1:], "env": dict(os.environ), "cores": sorted(os.sched_getaffinity(0))},
)
sys.stdout.write(f"out of rank {rank}\n")  # whole lines at once: both streams meet in a log
sys.stderr.write(f"err of rank {rank}\n")
if "file" in todo:
    with open(todo["file"], "w") as file:
        file.write("weights")
sys.stdout.flush()
time.sleep(todo.get("sleep", 0))
while "wait for" in todo and not os.path.exists(todo["wait for"]):
    time.sleep(0.05)
if "kill" in todo:
    os.kill(os.getpid(), todo["kill"])
sys.exit(todo.get("code", 0))
