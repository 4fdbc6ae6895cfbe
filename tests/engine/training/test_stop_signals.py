"""Ctrl-C in processes whose libraries put their own handler in place of Python's, as MindSpore does."""

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

# The library's handler: the system's, set behind Python's back.
CODE = """
import ctypes, signal, sys, time
from src.engine.training.stop_signals import StopSignals
from src.engine.entry import run_main

def spoil():
    libc = ctypes.CDLL(None)
    libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    libc.signal(signal.SIGINT, ctypes.cast(libc.abort, ctypes.c_void_p))

def main():
    {body}

run_main(main)
"""
NOTES = """
    with StopSignals() as stop:
        spoil()
        print("ready", flush=True)
        while not stop.received:
            time.sleep(0.05)
        print(stop.received, flush=True)
        time.sleep(60 if "twice" in sys.argv else 0)
        return 128 + stop.received
"""


def start(body, *words, ignored=False):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.replace("{body}", body.strip()), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_interrupt_ends_what_waits():
    process = start('spoil(); print("ready", flush=True); time.sleep(60)')
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert (
        process.communicate(timeout=30) == ("", "interrupted\n")
        and process.returncode == 130
        and time.monotonic() - started < 20
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_as_what_it_is(number):
    process = start(NOTES)
    process.send_signal(number)
    assert process.communicate(timeout=30) == (f"{int(number)}\n", "") and process.returncode == 128 + number


def test_a_second_interrupt_ends_at_once():
    process = start(NOTES, "twice")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "2\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.communicate()


def test_a_background_job_ignores_it():
    process = start(NOTES, ignored=True)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ("15\n", "") and process.returncode == 143
