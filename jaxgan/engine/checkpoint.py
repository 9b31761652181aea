"""Checkpoints of the training state through Orbax; nothing else knows its API.

A checkpoint is written to a temporary folder by a background thread and renamed when it is
complete, so a run that dies while saving leaves the one before. Random keys are stored as their
words. The order of the data is a function of the seed and the step, so there is nothing else to
store.
"""

from pathlib import Path

import jax
import orbax.checkpoint as ocp

from jaxgan.engine.step import TrainState
from jaxgan.errors import UsageError


class Checkpoints:
    """The checkpoints of one run.

    keep: how many of the latest stay. keep_every: steps that are multiples of it stay
    for ever (0: none).
    """

    def __init__(
        self, folder: Path, *, keep: int = 2, keep_every: int = 0, read_only: bool = False
    ):
        self._folder = folder
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None if read_only else keep,
            keep_period=keep_every or None,
            create=not read_only,
            read_only=read_only,
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()

    def latest(self) -> int | None:
        """The last complete step, or None."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: TrainState) -> None:
        """Starts saving `state`; returns when its buffers may be reused, not when it is on disk."""
        self._manager.save(step, args=ocp.args.StandardSave(_plain(state)))

    def delete(self, step: int) -> None:
        self._manager.delete(step)

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state of `step`, with the shapes, types and shardings of the abstract state `like`.

        Raises:
          UsageError: the checkpoint holds other arrays than `like`, or is damaged.
        """
        plain = jax.eval_shape(_plain, like)
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=like.step.sharding),
            plain,
        )
        try:
            state = self._manager.restore(step, args=ocp.args.StandardRestore(target))
        except (ValueError, KeyError, TypeError, OSError) as error:
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UsageError(
                f"checkpoint {step} in {self._folder} does not fit this config, or is damaged; "
                f"use another workdir ({line[:200]})"
            ) from error
        return state.replace(key=jax.random.wrap_key_data(state.key))


def _plain(state: TrainState) -> TrainState:
    return state.replace(key=jax.random.key_data(state.key))
