"""Pictures of a run: grids of samples, or drawings of points, and the film of them."""

from typing import Any

import jax
import numpy as np

from jaxgan.engine.calls import over_seeds
from jaxgan.engine.report import Report
from jaxgan.engine.run import Run
from jaxgan.engine.sharding import here
from jaxgan.engine.step import Batch, TrainState
from jaxgan.keys import fold

IN_A_ROW = 5  # drawings of seeds


class Gallery:
    """Where the pictures of a run hang: `samples/` of its workdir.

    Of one run of images a grid; of many seeds a row of 8 for each; of points in the plane what
    `run.picture` draws, for each seed, and in the end a film of it all.

    real: the first batch, on this process's own devices.
    """

    def __init__(self, run: Run, real: Batch, report: Report):
        self._run, self._real, self._report = run, real, report
        self._images = real["image"].ndim == 4

        def look(ema: Any, key: jax.Array) -> jax.Array:
            return run.game.preview(ema["params"], ema["variables"], real, fold(key, "preview"))

        self._look = jax.jit(over_seeds(look, run.seeds))

    def hang_reals(self) -> None:
        """The beginning of the first batch."""
        if self._images:
            self._report.grid("reals", in_rows_of_8(self._real["image"]), 0)

    def hang(self, name: str, state: TrainState) -> np.ndarray:
        """`name`.png of the averaged generator at fixed latents.

        Returns what it drew, [seeds, N, H, W, C] or [seeds, N, D], of one run with 1 seed.
        """
        step = int(np.ravel(state.step)[0])
        if not self._run.picture:  # which alone looks at more than the average
            state = state.replace(params={}, variables={}, opt_state={}, extra={})
        state = here(state)
        grids = np.asarray(self._look(state.ema, state.key))
        grids = grids if self._run.seeds else grids[None]  # [seeds, rows, columns, ...]
        if self._images:
            self._report.grid(name, grids[:, 0] if self._run.seeds else grids[0], step)
        elif self._run.picture:
            states = [of_seed(state, i) for i in range(self._run.seeds)] or [state]
            drawings = [self._run.picture(one, self._real) for one in states]
            self._report.picture(name, side_by_side(drawings), step)
        return grids.reshape(len(grids), -1, *grids.shape[3:])

    def close(self) -> None:
        """Makes the film, `samples/training.gif`, of all drawings so far."""
        if self._run.picture and not self._images and self._run.cadence.sample:
            self._report.film()


def of_seed(tree: Any, index: int) -> Any:
    """One seed's part of what has a first axis of seeds."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def in_rows_of_8(images: jax.Array) -> jax.Array:
    """At most 64 of `images` [B, H, W, C] as a grid [rows, columns, H, W, C]."""
    columns = min(8, len(images))
    rows = min(8, len(images) // columns)
    return images[: rows * columns].reshape(rows, columns, *images.shape[1:])


def side_by_side(drawings: list[np.ndarray]) -> np.ndarray:
    """Pixels [H, W, 3] each, as rows of `IN_A_ROW`."""
    width = min(IN_A_ROW, len(drawings))
    empty = [np.full_like(drawings[0], 255)] * (-len(drawings) % width)
    rows = [(drawings + empty)[i : i + width] for i in range(0, len(drawings), width)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
