"""What befell a run: `events.jsonl` in its workdir."""

import json
from pathlib import Path
from typing import Any

from jaxgan.engine.distributed import is_first, of_first
from jaxgan.engine.report import keep_lines, read_lines

ROLLBACK, COLLAPSED, SATURATED = "rollback", "collapsed", "saturated"
WARNINGS = (COLLAPSED, SATURATED)


class History:
    """Rollbacks, which stay for ever, and warnings, which a resumed run meets again.

    All processes know them, and the first writes them.
    """

    def __init__(self, path: Path):
        self._path = path
        self._events = of_first(lambda: read_lines(path))

    def restart(self, first: int) -> None:
        """Forgets warnings of steps after `first`, where this start of the run begins."""
        self._events = self.rollbacks + [e for e in self.warnings if e["step"] <= first]
        if is_first() and (self._events or self._path.exists()):
            keep_lines(self._path, self._events)

    def add(self, event: str, step: int, **facts: Any) -> None:
        self._events.append({"event": event, "step": step, **facts})
        if not is_first():
            return
        with self._path.open("a") as file:
            file.write(json.dumps(self._events[-1]) + "\n")

    @property
    def rollbacks(self) -> list[dict[str, Any]]:
        return [event for event in self._events if event.get("event") == ROLLBACK]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        return [event for event in self._events if event.get("event") in WARNINGS]

    def summary(self) -> dict[str, Any]:
        """What `summary.json` tells of it; nothing of a run that nothing befell."""
        told = {"rollbacks": self.rollbacks, "warnings": self.warnings}
        return {name: events for name, events in told.items() if events}
