"""SIGTERM and SIGINT: the first asks to stop after the step, the second ends the process.

Schedulers and terminals send one request several times, to a process and to its group, or by way
of two daemons: what comes within `SAME` seconds of the first is no second one.
"""

import os
import signal
import sys
import threading
import time

from jaxgan.engine.distributed import Agreement

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAME = 1.0


class StopSignals:
    """with StopSignals() as stop: ... if stop.asked(step): ...

    Python runs handlers between two of its own instructions, and the main thread may be in the
    compiler or on the device for minutes. So a thread reads what arrives from a pipe that the
    interpreter's C handler writes to, and a second signal ends the process even then.

    Off the main thread, where Python installs no handlers, signals do what they did before.
    """

    def __init__(self):
        self._asked, self._agreed = threading.Event(), Agreement()

    def asked(self, step: int) -> bool:
        """Whether to stop after `step`: of several processes all stop when one was asked to."""
        return self._agreed(step, self._asked.is_set())

    def __enter__(self) -> "StopSignals":
        self._here = threading.current_thread() is threading.main_thread()
        if self._here:
            self._read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
            self._handlers = {s: signal.signal(s, lambda number, frame: None) for s in SIGNALS}
            self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        if self._here:
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._handlers.items():
                # None stands for one that was not installed from Python.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            os.close(self._write)  # the thread reads the end of the pipe
            self._thread.join()
            os.close(self._read)

    def _listen(self) -> None:
        first = 0.0
        while received := os.read(self._read, 1):
            number = received[0]
            if number not in SIGNALS:
                continue
            if self._asked.is_set():
                if time.monotonic() - first > SAME:
                    os._exit(128 + number)
                continue
            first = time.monotonic()
            self._asked.set()
            name = signal.Signals(number).name
            print(f"{name}: stopping after this step; once more stops at once", file=sys.stderr)
