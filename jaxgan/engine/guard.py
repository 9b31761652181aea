"""Where numbers end: the step and the terms at which a run diverged, and what it must not save."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.engine.step import Metrics, TrainState
from jaxgan.errors import Failure

KEPT = 1000  # calls
CURE = "lower the learning rates, or add a penalty (terms.r1) or clip_grad_norm"


class Diverged(Failure):
    """Something is not finite. step: after which it was seen. broken: the names of what."""

    def __init__(self, message: str, step: int, broken: list[str]):
        super().__init__(message)
        self.step, self.broken = step, broken


class Guard:
    """Looks for what is not finite where the host looks anyway, and then for where it began.

    The metrics of the calls since the last look stay on the device, and are fetched only when
    something is not finite, so no step waits for the host. Of more than `KEPT` calls the earliest
    are forgotten. Steps are counted from 1 here, as in the lines of metrics.
    """

    def __init__(self):
        self._calls: deque[tuple[int, int, Metrics]] = deque(maxlen=KEPT)

    def note(self, begin: int, end: int, metrics: Metrics) -> None:
        """metrics: of the call that played steps `begin + 1` to `end`."""
        self._calls.append((begin, end, metrics))

    def check_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Raises Diverged where one of `metrics`, fetched after `step`, is no number.

        Of many seeds only where none of theirs is.
        """
        broken = broken_of(metrics)
        if broken:
            self._find()
            raise Diverged(f"{', '.join(broken)} not finite at step {step}; {CURE}", step, broken)
        self._calls.clear()

    def check_state(self, state: TrainState, step: int) -> None:
        """Raises Diverged where an array of `state` is not finite; of many seeds in each of them.

        Nothing is saved that has not passed here. It is one pass over the state on the device, of
        which a few booleans are fetched.
        """
        finite = jax.device_get(_finite(state))
        if not np.any(np.all(list(finite.values()), axis=0)):
            self._find()
            broken = sorted(name for name, good in finite.items() if not np.all(good))
            raise Diverged(
                f"{', '.join(broken)} not finite after step {step}, whose losses were: its "
                f"gradients were not; {CURE}",
                step,
                broken,
            )

    def _find(self) -> None:
        """Raises Diverged of the first call whose metrics are not finite, if there is one."""
        for index, (begin, end, metrics) in enumerate(jax.device_get(list(self._calls))):
            broken = broken_of(metrics)
            if not broken:
                continue
            where = f"at step {end}" if end == begin + 1 else f"in steps {begin + 1} to {end}"
            before = " or before" if index == 0 and len(self._calls) == KEPT else ""
            raise Diverged(
                f"{', '.join(broken)} not finite {where}{before}: these terms, or the gradients "
                f"of the update just before them; {CURE}",
                end,
                broken,
            )


@jax.jit
def _finite(state: TrainState) -> dict[str, jax.Array]:
    """Whether all is finite, by parts such as "gen params"; of many seeds for each."""
    axes = state.step.ndim  # 1 where the state has a first axis of seeds
    good = jnp.ones(state.step.shape, bool)
    parts: dict[str, jax.Array] = {}
    for path, leaf in jax.tree.leaves_with_path(state):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            names = [str(getattr(entry, "key", getattr(entry, "name", ""))) for entry in path[:2]]
            finite = jnp.isfinite(leaf).all(axis=range(axes, leaf.ndim))
            name = " ".join(reversed(names)).strip()
            parts[name] = parts.get(name, good) & finite
    return parts


def broken_of(metrics: Mapping[str, Any]) -> list[str]:
    """The names of what is no number in any seed."""
    return sorted(name for name, value in metrics.items() if not np.isfinite(value).any())
