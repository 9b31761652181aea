"""Events for TensorBoard.

Written at once and by the caller: tensorboardX's own writer hands them to a thread, and where that
dies, of a full disk say, the program waits for it for ever.
"""

import os
import time
from pathlib import Path

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import image, scalar


class TensorBoard:
    """A file of events in `folder`. first_step: events of later steps in older files are void."""

    def __init__(self, folder: Path, *, first_step: int):
        folder.mkdir(parents=True, exist_ok=True)
        # Two starts within a second, the unit in the file's name, need names of their own.
        suffix = f".{os.getpid()}.{first_step}"
        self._writer = EventsWriter(str(folder / "events"), suffix)
        start = SessionLog(status=SessionLog.START)
        self._write(Event(step=first_step + 1, session_log=start))

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self._write(Event(step=step, summary=scalar(name, value)))

    def add_image(self, name: str, pixels: np.ndarray, step: int) -> None:
        """pixels: uint8 [H, W, 3]."""
        self._write(Event(step=step, summary=image(name, pixels, dataformats="HWC")))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)
