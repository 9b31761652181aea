import json
import os
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from jaxgan.engine import lock as module
from jaxgan.engine.lock import FILE, Lock
from jaxgan.errors import UsageError

HOLD = (
    "import sys, time; from pathlib import Path; from jaxgan.engine.lock import Lock\n"
    "with Lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def holder(workdir):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workdir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_a_dead_ones_lock_is_free(tmp_path):
    process = holder(tmp_path)
    try:
        with pytest.raises(UsageError, match=f"process {process.pid} on .* is training there"):
            with Lock(tmp_path):
                raise AssertionError
    finally:
        process.kill()
        process.wait()
    assert json.loads((tmp_path / FILE).read_text())["pid"] == process.pid
    with Lock(tmp_path):
        assert json.loads((tmp_path / FILE).read_text())["pid"] == os.getpid()
        with pytest.raises(UsageError, match=str(os.getpid())), Lock(tmp_path):
            raise AssertionError
    assert (tmp_path / FILE).read_text() == ""


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.4)


def test_the_lock_of_another_host_is_free_when_it_gives_no_sign_of_life(tmp_path, quick, capsys):
    (tmp_path / FILE).write_text('{"pid": 7, "host": "elsewhere"}')
    with Lock(tmp_path):
        assert "process 7 on elsewhere gave none" in capsys.readouterr().err


def test_the_lock_of_another_host_that_lives_is_respected(tmp_path, quick):
    (tmp_path / FILE).write_text('{"pid": 7, "host": "elsewhere"}')
    over = threading.Event()

    def beat():
        while not over.wait(0.05):
            os.utime(tmp_path / FILE)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(UsageError, match="process 7 on elsewhere is training"), Lock(tmp_path):
            raise AssertionError
    finally:
        over.set()
        thread.join()


def test_an_owner_gives_signs_of_life(tmp_path, quick):
    with Lock(tmp_path):
        os.utime(tmp_path / FILE, (0, 0))
        end = time.monotonic() + 5
        while (tmp_path / FILE).stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert (tmp_path / FILE).stat().st_mtime > 0


@pytest.mark.parametrize("text", ["nonsense", "[]", "\x00\x01", "3"])
def test_a_lock_of_nonsense_is_no_traceback(tmp_path, text, quick):
    (tmp_path / FILE).write_text(text)
    with Lock(tmp_path):
        assert json.loads((tmp_path / FILE).read_text())["pid"] == os.getpid()


def test_without_locks_the_last_who_wrote_its_name_is_the_owner(tmp_path, quick, monkeypatch):
    """Two that begin at once on a file system without locks: not both go on."""

    def unsupported(file, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", unsupported)
    monkeypatch.setattr(module, "BEAT", 0.3)
    with Lock(tmp_path):
        assert json.loads((tmp_path / FILE).read_text())["pid"] == os.getpid()
    later = lambda: (tmp_path / FILE).write_text('{"pid": 7, "host": "elsewhere"}')
    timer = threading.Timer(0.1, later)
    timer.start()
    with pytest.raises(UsageError, match="process 7 on elsewhere is training"), Lock(tmp_path):
        raise AssertionError
