"""One run at a time in a workdir.

The lock is the kernel's (`flock`) on a file that names the owner. The kernel drops it when the
process ends, however it ends, so nothing that a killed run leaves on this host can be stale; a file
that exists or not (`O_EXCL`) would have to be judged by a process number, which another process may
have by then, and two that judge at once may both take it over. What `flock` does not tell is
whether a file system that several hosts share carries locks between them. So the owner also sets
the time of the file every few seconds, and where the file names another host, a new run looks for
that sign of life before it goes on. And where the file system has no locks at all, of several that
write their names there at once the last one is the owner.
"""

import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path

from jaxgan.errors import UsageError, warn

FILE = ".lock"
BEAT = 5.0  # seconds between two signs of life
PATIENCE = 4 * BEAT


class Lock:
    """with Lock(workdir): nobody else trains there.

    Raises, on entering:
      UsageError: another run does; the message names its process and host.
    """

    def __init__(self, workdir: Path):
        self._workdir, self._path = workdir, workdir / FILE
        self._over = threading.Event()

    def __enter__(self) -> "Lock":
        self._workdir.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            kernel_knows = self._take()
            owner = {"pid": os.getpid(), "host": socket.gethostname()}
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(owner).encode(), 0)
            if not kernel_knows:
                self._settle(owner)
        except BaseException:
            os.close(self._file)
            raise
        self._beats = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._beats.start()
        return self

    def __exit__(self, *error) -> None:
        self._over.set()
        self._beats.join()
        os.ftruncate(self._file, 0)  # the file stays: to remove it is to race with who opens it
        os.close(self._file)

    def _take(self) -> bool:
        """Whether the kernel gave the lock; else nobody else is known to live."""
        owner, kernel_knows = self._owner(), True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refused(self._owner()) from None
        except OSError:  # a file system without locks
            kernel_knows = False
        if not owner or (kernel_knows and owner.get("host") == socket.gethostname()):
            return kernel_knows
        warn(f"{self._workdir} is locked by {describe(owner)}; looking for signs of life")
        if self._lives():
            raise self._refused(owner)
        warn(f"{self._workdir}: {describe(owner)} gave none; its lock is taken over")
        return kernel_knows

    def _settle(self, owner: dict) -> None:
        """Raises UsageError where another wrote its name after this one, not knowing of it."""
        time.sleep(BEAT)
        if (now := self._owner()) != owner:
            raise self._refused(now)

    def _refused(self, owner: dict) -> UsageError:
        return UsageError(
            f"{self._workdir}: {describe(owner)} is training there; stop it, or choose another "
            "workdir"
        )

    def _owner(self) -> dict:
        """{"pid", "host"} of who has the lock or died with it; {} where nobody has."""
        try:
            owner = json.loads(self._path.read_bytes() or b"{}")
        except ValueError:
            return {"pid": "?", "host": "?"}
        return owner if isinstance(owner, dict) else {}

    def _lives(self) -> bool:
        """Whether the file's time changes. Clocks are not compared: those of hosts differ."""
        seen, end = self._time(), time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(BEAT / 5)
            if self._time() != seen:
                return True
        return False

    def _time(self) -> int:
        """The file's time; opened anew, since NFS answers for what is open from its memory."""
        with self._path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            try:
                os.utime(self._file)
            except OSError:  # a server that does not answer; the next one may arrive
                continue


def describe(owner: dict) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
