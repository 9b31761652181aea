"""What a program prints where something fails."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from absl import logging
from jaxgan import cli
from jaxgan.errors import Failure

class Late:
    def __del__(self):
        raise RuntimeError("Event loop is closed")

def main(arguments):
    Late()
    try:
        raise OSError("no space left")
    except OSError:
        logging.exception("as Orbax tells of a save that failed")
    raise Failure("the checkpoint could not be written")

cli.run(main)
"""


def test_what_a_library_logs_does_not_stand_beside_the_one_line():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: the checkpoint could not be written"]


ENDLESS = """
from jaxgan import cli

def main(arguments):
    while True:
        print("a line")

cli.run(main)
"""


UNWRITABLE = """
from jaxgan import cli

cli.run(lambda arguments: open("/proc/none/grid.png", "w"))
"""


def test_what_cannot_be_written_is_one_line():
    done = subprocess.run([sys.executable, "-c", UNWRITABLE], capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "/proc/none/grid.png" in line


def test_with_a_traceback_wrong_input_has_its_own_status():
    program = "from jaxgan import cli, main; cli.run(main.main)"
    command = [sys.executable, "-c", program, "--config", "none.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "JAXGAN_TRACEBACK": "1"}
    )
    assert done.returncode == 2 and "Traceback" in done.stderr


@pytest.mark.parametrize("errors_too", [False, True])
def test_a_program_whose_reader_has_gone_ends_in_silence(errors_too):
    """As with `| head` and `2>&1 | head`."""
    errors = subprocess.STDOUT if errors_too else subprocess.PIPE
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as running:
        assert running.stdout.readline() == "a line\n"
        running.stdout.close()
        assert errors_too or running.stderr.read() == ""
        assert running.wait() == 141
