import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from jaxgan.engine.signals import SAME, StopSignals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_handlers_are_as_before(number, capsys):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert not stop.asked(3)
        os.kill(os.getpid(), number)
        end = time.monotonic() + 5
        while not stop.asked(3) and time.monotonic() < end:
            time.sleep(0.01)
        assert stop.asked(4)
    assert signal.getsignal(number) is before and signal.set_wakeup_fd(-1) == -1
    assert f"{number.name}: stopping after this step" in capsys.readouterr().err


def test_the_second_signal_ends_even_a_process_that_is_in_no_python_code():
    """It is in one call of C that holds the interpreter off its handlers."""
    program = (
        "import numpy as np, sys, threading; from jaxgan.engine.signals import StopSignals\n"
        "with StopSignals():\n"
        "    print('here', flush=True)\n"
        "    a = np.ones((1500, 1500))\n"
        "    while True: a = np.linalg.matrix_power(a, 2**40) * 0 + 1\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)  # the same request, sent twice
    time.sleep(SAME)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert b"once more stops at once" in process.stderr.read()


def test_other_threads_are_left_alone():
    seen = []

    def enter():
        with StopSignals() as stop:
            seen.append(stop.asked(0))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False]
