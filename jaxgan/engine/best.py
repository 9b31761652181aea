"""The checkpoint with the best score so far, beside those that training goes on from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.distributed import of_first
from jaxgan.engine.step import TrainState
from jaxgan.errors import warn


class Best:
    """Keeps one checkpoint in `folder`: that whose score `watched` is best.

    lines: the metrics of earlier starts of the run, up to the step where this one begins, and what
      was best when the run rolled back. A checkpoint of another step is of a start that was killed:
      it goes, and what replaces it is the first score that comes, which is the same one where the
      run repeats itself bit for bit. So does a damaged one.
    """

    def __init__(
        self,
        folder: Path,
        watched: str,
        *,
        lower: bool,
        lines: Sequence[Mapping[str, Any]],
        retry_seconds: float = 0.0,
    ):
        self._checkpoints = Checkpoints(folder, keep=1, retry_seconds=retry_seconds)
        self._watched, self._sign = watched, 1.0 if lower else -1.0
        self.step: int | None
        self.score: float | None
        self.step, self.score = of_first(lambda: self._found(folder, lines))
        self._checkpoints.go_on_from(self.step or 0)

    def _found(self, folder: Path, lines: Sequence[Mapping[str, Any]]) -> tuple:
        """The step that was best and its score, or None; removes what else there is."""
        found, watched = (None, None), self._watched
        for step in self._checkpoints.steps():
            scores = [
                line[watched]
                for line in lines
                if line["step"] == step and line.get(watched) is not None
            ]
            if damage := self._checkpoints.damage(step):
                warn(f"{folder}: checkpoint {step} is damaged: {damage}; it is removed")
            if scores and not damage:
                # Where a run rolled back a step may have two: only a better one replaced it.
                found = step, min(scores, key=lambda score: self._sign * score)
            else:
                self._checkpoints.delete(step)
        return found

    def see(self, step: int, scores: Mapping[str, float], state: TrainState) -> None:
        """Keeps `state` where the score is better than all before."""
        score = float(np.mean(scores.get(self._watched, np.nan)))  # of many seeds the mean
        if not np.isfinite(score):  # or one of them has diverged, and is whole in what was best
            return
        if self.score is None or self._sign * score < self._sign * self.score:
            self.step, self.score = step, score
            self._checkpoints.save(step, state)

    def wait(self) -> None:
        """Until what was saved is on disk, so that no later checkpoint is there without it."""
        self._checkpoints.wait()

    def summary(self) -> dict[str, Any]:
        return {} if self.step is None else {"step": self.step, self._watched: self.score}

    def __enter__(self) -> "Best":
        return self

    def __exit__(self, *error) -> None:
        """Waits until everything is on disk."""
        self._checkpoints.__exit__(*error)
