"""What the loop is given: the game, the data, and how often what is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol

import jax
import numpy as np

from jaxgan.engine.averaging import Ema
from jaxgan.engine.step import (
    Batch,
    Game,
    Optimizer,
    TrainState,
    TrainStep,
    make_train_step,
)


class Feed(Protocol):
    """The data as a function of the seed and the step."""

    def inputs(self, step: int, count: int = 1) -> Any:
        """What a call of `count` steps is handed: the whole set on the device, or their images."""

    def in_order_of(self, key: jax.Array) -> "Feed":
        """The feed whose `inputs` suit `key`, the one that `batch` will be given."""

    def batch(self, inputs: Any, key: jax.Array, step: jax.Array, index: jax.Array) -> Batch:
        """The batches of a step, the index-th of the call, with a leading axis of draws; traced."""


class Evaluator(Protocol):
    watched: str  # the score whose best checkpoint is kept
    lower_is_better: bool  # of that one

    def __call__(self, ema: Any, key: jax.Array) -> dict[str, float]:
        """Scores of the averaged generator, by name."""


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """Every how many steps something happens; 0 is never."""

    log: int
    sample: int
    evaluate: int
    checkpoint: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that training needs.

    ema: how the generator is averaged (averaging.py).
    make_step: of METHODS, with its options: `(game, optimizers, *, ema) -> step`.
    steps_per_call: so many steps at most run on the device before the host looks again.
    rollbacks: so often, when something is not finite, training goes on from the last checkpoint
      with other keys, and so with other data, latents and noise.
    retry_seconds: see `Checkpoints`.
    seeds: 0 for a run of `seed` alone; n for n runs, of seed, seed + 1, ..., in one program, each
      as if it were alone. All arrays of the state then have a first axis of seeds.
    state_shards: so many devices share one copy of the state (sharding.py).
    begin: what a new run does to its first state, as taking over the networks of another run.
    picture: draws a state of one seed as pixels, uint8 [H, W, 3], instead of a grid of samples.
    """

    game: Game
    optimizers: Mapping[str, Optimizer]
    feed: Feed
    seed: int
    steps: int
    ema: Ema
    batch_size: int
    cadence: Cadence
    keep: int
    keep_every: int
    make_step: Callable[..., TrainStep] = make_train_step
    steps_per_call: int = 1
    rollbacks: int = 0
    retry_seconds: float = 0.0
    seeds: int = 0
    state_shards: int = 1
    begin: Callable[[TrainState], TrainState] = lambda state: state
    picture: Callable[[TrainState, Batch], np.ndarray] | None = None
    evaluate: Evaluator | None = None
    config: str = ""  # what `config.json` of the workdir is to say

    @cached_property
    def step_of(self) -> Callable[[Game], TrainStep]:
        """The step of a game, traced once however often it is asked for and wherever it stands."""
        step = lambda game: jax.jit(self.make_step(game, self.optimizers, ema=self.ema))
        return cache(step)


def is_time(interval: int, step: int) -> bool:
    return interval > 0 and step % interval == 0


def call_end(run: Run, step: int) -> int:
    """The step before which the host looks again, when a call begins at `step`.

    Calls end at multiples of `steps_per_call`, and wherever something is due, so that a run that
    was resumed from a checkpoint makes the same calls as one that never stopped.
    """
    intervals = [run.steps_per_call, *vars(run.cadence).values()]
    if run.evaluate is None:
        intervals[1:] = [i for name, i in vars(run.cadence).items() if name != "evaluate"]
    return min(run.steps, *(step - step % i + i for i in intervals if i))
