"""How fast training is, without what is not training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax


class Stopwatch:
    """The time of training steps, apart from compiling, sampling, scoring and saving."""

    def __init__(self):
        self._begin = self._since = time.perf_counter()
        self._training = 0.0
        self._last_lap = (0.0, 0)
        self.steps = 0

    def elapsed(self) -> float:
        """Wall seconds since the beginning, everything included."""
        return time.perf_counter() - self._begin

    @contextmanager
    def stopped(self, state: Any) -> Iterator[None]:
        """Leaves out what happens inside; what the device still has to do for `state` counts."""
        jax.block_until_ready(state)
        self._training += time.perf_counter() - self._since
        try:
            yield
        finally:
            self._since = time.perf_counter()

    def lap(self) -> float | None:
        """Steps a second since the last call, None without one; when the device has finished."""
        now = time.perf_counter()
        self._training, self._since = self._training + now - self._since, now
        seconds, steps = self._training - self._last_lap[0], self.steps - self._last_lap[1]
        self._last_lap = (self._training, self.steps)
        return steps / seconds if steps else None

    def mean(self) -> float:
        """Steps a second until the last lap."""
        return self._last_lap[1] / max(self._last_lap[0], 1e-9)
