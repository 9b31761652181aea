"""SIGTERM and SIGINT: the first asks to stop after the step, the second ends the process."""

import os
import signal
import sys
import threading

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """with StopSignals() as stop: ... if stop.asked(step): ...

    Python runs handlers between two of its own instructions, and the main thread may be in the
    compiler or on the device for minutes. So a thread reads what arrives from a pipe that the
    interpreter's C handler writes to, and a second signal ends the process even then.

    Off the main thread, where Python installs no handlers, signals do what they did before.
    """

    def __init__(self):
        self._asked = threading.Event()

    def asked(self, step: int) -> bool:
        """Whether to stop after `step`.

        One process decides for itself. Of several all must stop after the same step: there this
        is where to ask what they agree on (`multihost_utils.reached_preemption_sync_point`).
        """
        return self._asked.is_set()

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
                signal.signal(number, handler)
            os.close(self._write)  # the thread reads the end of the pipe
            self._thread.join()
            os.close(self._read)

    def _listen(self) -> None:
        while received := os.read(self._read, 1):
            number = received[0]
            if number not in SIGNALS:
                continue
            if self._asked.is_set():
                os._exit(128 + number)
            self._asked.set()
            name = signal.Signals(number).name
            print(f"{name}: stopping after this step; once more stops at once", file=sys.stderr)
