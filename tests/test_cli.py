"""What a program prints where something fails."""

import subprocess
import sys

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


def test_a_program_whose_reader_has_gone_ends_in_silence():
    """As with `| head`."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout.readline() == "a line\n"
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == 141
