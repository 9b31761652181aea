"""The compiled parts of a run: its first state, and calls of one or more steps."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.engine.run import Run
from jaxgan.engine.sharding import (
    divide,
    divided,
    make_mesh,
    over_shared_seeds,
    replicated,
)
from jaxgan.engine.step import (
    Batch,
    Game,
    Metrics,
    Optimizer,
    TrainState,
    init_state,
)
from jaxgan.keys import fold


def data_key(root: jax.Array) -> jax.Array:
    """The key of the order and the augmentation of the data."""
    return fold(root, "data")


def first_batch(run: Run) -> Callable[[Any, jax.Array], Batch]:
    """The data of step 0, without the axis of draws, as a traceable function of `inputs`."""
    return lambda inputs, root: jax.tree.map(
        lambda x: x[0], run.feed.batch(inputs, data_key(root), jnp.int32(0), 0)
    )


def initializer(game: Game, optimizers: Mapping[str, Optimizer], seed: int, seeds: int = 0) -> Any:
    """The jitted function from a batch to the state before the first step, on all devices.

    seeds: see `Run`; of many the states, along a first axis that the devices share.
    """
    mesh = make_mesh()

    def init(batch: Batch) -> TrainState:
        of_one = lambda root: init_state(game, optimizers, root, batch)
        return over_seeds(of_one, seeds)(root_keys(seed, seeds))

    whole = not seeds or seeds % mesh.size
    return jax.jit(init, out_shardings=replicated(mesh) if whole else divided(mesh))


def root_keys(seed: int, seeds: int = 0, rollbacks: int = 0) -> jax.Array:
    """The root key of a run that rolled back so often; of many, those of seed, seed + 1, ..."""

    def of(seed):
        key = jax.random.key(seed)
        return jax.random.fold_in(fold(key, "rollback"), rollbacks) if rollbacks else key

    if not seeds:
        return of(seed)
    return jax.vmap(of)(seed + jnp.arange(seeds, dtype=jnp.uint32))


def over_seeds(function: Callable, seeds: int) -> Callable:
    """`function` of one seed as a function of many, where there are many."""
    return jax.vmap(function) if seeds else function


def trace_step(run: Run) -> None:
    """Traces a step without compiling it, so that what cannot be trained fails at once."""
    inputs, root = run.feed.inputs(0), jax.random.key(run.seed)
    real = jax.eval_shape(first_batch(run), inputs, root)
    state = initializer(run.game, run.optimizers, run.seed).eval_shape(real)  # of one seed
    batches = jax.eval_shape(lambda i: run.feed.batch(i, root, jnp.int32(0), 0), inputs)
    jax.eval_shape(run.make_step(run.game, run.optimizers, ema=run.ema), state, batches)


class Calls:
    """Compiled calls of consecutive steps, kept by the games that they play.

    Where lazy terms are due a step is another program than elsewhere. Equal neighbours are scanned.
    """

    def __init__(self, run: Run):
        self._run, self._mesh = run, make_mesh()
        self._calls: dict[tuple, Call] = {}

    def of(self, first: int, end: int) -> "Call":
        """The call that plays steps `first` to `end - 1`."""
        games = groupby(self._run.game.due(step) for step in range(first, end))
        parts = tuple((game, len(list(same))) for game, same in games)
        if parts not in self._calls:
            self._calls[parts] = Call(self._compile(parts))
        return self._calls[parts]

    def _compile(self, parts: tuple[tuple[Game, int], ...]) -> Callable:
        run, mesh = self._run, self._mesh
        steps = [(run.make_step(game, run.optimizers, ema=run.ema), n) for game, n in parts]

        def call(state: TrainState, inputs: Any) -> tuple[TrainState, Metrics]:
            """The state after the steps, and the last value of each metric."""
            first, metrics = state.step, {}
            for play, count in steps:

                def one(state, _=None, play=play):
                    key, index = data_key(state.key), state.step - first
                    batches = run.feed.batch(inputs, key, state.step, index)
                    # Of many seeds each device has some, and of each of those the whole batch.
                    return play(state, batches if run.seeds else divide(batches, mesh))

                if count == 1:
                    state, last = one(state)
                else:
                    state, seen = jax.lax.scan(one, state, length=count)
                    last = jax.tree.map(lambda values: values[-1], seen)
                metrics |= last
            return state, metrics

        if run.seeds:
            call = over_shared_seeds(call, run.seeds, mesh)
        return jax.jit(call, donate_argnums=0)


class Call:
    """A jitted call that knows whether it ran before: the first time compiles."""

    def __init__(self, call: Callable):
        self.call, self.is_new = call, True

    def __call__(self, state: TrainState, inputs: Any) -> tuple[TrainState, Metrics]:
        self.is_new = False
        return self.call(state, inputs)
