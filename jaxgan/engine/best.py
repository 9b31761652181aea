"""The checkpoint with the best score so far, beside those that training goes on from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.step import TrainState


class Best:
    """Keeps one checkpoint in `folder`: that whose score `watched` is best.

    lines: the metrics of earlier starts of the run, up to the step `first` where this one begins.
    A checkpoint of a later step is of a start that was killed: it goes, and what replaces it is
    the first score that comes, which is the same one where the run repeats itself bit for bit.
    """

    def __init__(
        self,
        folder: Path,
        watched: str,
        *,
        lower: bool,
        lines: Sequence[Mapping[str, Any]],
        first: int,
    ):
        self._checkpoints = Checkpoints(folder, keep=1)
        self._watched, self._sign = watched, 1.0 if lower else -1.0
        self.step: int | None = None
        self.score: float | None = None
        for step in self._checkpoints.steps():
            scored = [line for line in lines if line["step"] == step and watched in line]
            if step <= first and scored:
                self.step, self.score = step, scored[-1][watched]
            else:
                self._checkpoints.delete(step)

    def see(self, step: int, scores: Mapping[str, float], state: TrainState) -> None:
        """Keeps `state` where the score is better than all before."""
        score = float(np.mean(scores[self._watched]))  # over many seeds, where there are
        if self.score is None or self._sign * score < self._sign * self.score:
            self.step, self.score = step, score
            self._checkpoints.save(step, state)

    def summary(self) -> dict[str, Any]:
        return {} if self.step is None else {"step": self.step, self._watched: self.score}

    def __enter__(self) -> "Best":
        return self

    def __exit__(self, *error) -> None:
        """Waits until everything is on disk."""
        self._checkpoints.close()
