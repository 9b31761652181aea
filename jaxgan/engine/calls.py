"""The compiled parts of a run: its first state, and calls of one or more steps."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.engine.distributed import several
from jaxgan.engine.run import Run
from jaxgan.engine.sharding import (
    Divided,
    divide,
    divided,
    keep_in_place,
    make_mesh,
    of_state,
    on_all_devices,
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


class Initializer(NamedTuple):
    """The compiled function from a batch to the state before the first step, on all devices.

    init: the same, to be traced. where: the sharding of a leaf of the state.
    """

    init: Callable[[Batch], TrainState]
    where: Callable[[Any], Any]

    def eval_shape(self, batch: Batch) -> TrainState:
        """Shapes, types and shardings of the state."""
        shaped = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self.where(x))
        return jax.tree.map(shaped, jax.eval_shape(self.init, batch))

    def __call__(self, batch: Batch) -> TrainState:
        places = jax.tree.map(lambda leaf: leaf.sharding, self.eval_shape(batch))
        return jax.jit(self.init, out_shardings=places)(batch)


def read_first_batch(run: Run) -> Batch:
    """The data of step 0, on all devices."""
    read = jax.jit(first_batch(run), out_shardings=replicated(make_mesh()))
    return read(run.feed.inputs(0), jax.random.key(run.seed))


def initializer(
    game: Game,
    optimizers: Mapping[str, Optimizer],
    seed: int,
    seeds: int = 0,
    state_shards: int = 1,
) -> Initializer:
    """seeds, state_shards: see `Run`; many seeds lie along a first axis that the devices share."""
    mesh = make_mesh(state_shards)

    def init(batch: Batch) -> TrainState:
        of_one = lambda root: init_state(game, optimizers, root, batch)
        return over_seeds(of_one, seeds)(root_keys(seed, seeds))

    def where(leaf: Any) -> Any:
        return divided(mesh) if seeds and not seeds % mesh.size else of_state(leaf, mesh)

    return Initializer(init, where)


def root_keys(seed: int, seeds: int = 0, rollbacks: int = 0) -> jax.Array:
    """The root key of a run that rolled back so often; of many, those of seed, seed + 1, ..."""

    def of(seed):
        key = jax.random.key(seed)
        return jax.random.fold_in(fold(key, "rollback"), rollbacks) if rollbacks else key

    if not seeds:
        return of(seed)
    return jax.vmap(of)(jnp.uint32(seed) + jnp.arange(seeds, dtype=jnp.uint32))


def over_seeds(function: Callable, seeds: int) -> Callable:
    """`function` of one seed as a function of many, where there are many."""
    return jax.vmap(function) if seeds else function


def trace_step(run: Run) -> None:
    """Traces a step without compiling it, so that what cannot be trained fails at once."""
    inputs, root = run.feed.inputs(0), jax.random.key(run.seed)
    real = on_all_devices(jax.eval_shape(first_batch(run), inputs, root))
    state = initializer(run.game, run.optimizers, run.seed).eval_shape(real)  # of one seed
    batches = jax.eval_shape(lambda i: run.feed.batch(i, root, jnp.int32(0), 0), inputs)
    jax.eval_shape(run.step_of(run.game.due(0)), state, on_all_devices(batches))


class Calls:
    """Compiled calls of consecutive steps, kept by the games that they play.

    Where lazy terms are due a step is another program than elsewhere. Equal neighbours are scanned.
    """

    def __init__(self, run: Run):
        self._run, self._mesh = run, make_mesh(run.state_shards)
        # On CPU, collectives of two programs that run at once take each other's messages.
        self._waits = several() and self._mesh.devices.flat[0].platform == "cpu"
        self._calls: dict[tuple, Call] = {}

    def of(self, first: int, end: int) -> "Call":
        """The call that plays steps `first` to `end - 1`."""
        games = groupby(self._run.game.due(step) for step in range(first, end))
        parts = tuple((game, len(list(same))) for game, same in games)
        if parts not in self._calls:
            self._calls[parts] = Call(self._compile(parts), waits=self._waits)
        return self._calls[parts]

    def _compile(self, parts: tuple[tuple[Game, int], ...]) -> Callable:
        run, mesh = self._run, self._mesh
        # Of many seeds each device plays its own, whole.
        shared = mesh.size > 1 and not run.seeds
        place = (lambda game: Divided(game=game, mesh=mesh)) if shared else (lambda game: game)
        steps = [(run.step_of(place(game)), n) for game, n in parts]

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
            return state if run.seeds else keep_in_place(state, mesh), metrics

        if run.seeds:
            call = over_shared_seeds(call, run.seeds, mesh)
        return jax.jit(call, donate_argnums=0)


class Call:
    """A jitted call that knows whether it ran before: the first time compiles.

    waits: returns when the devices have finished.
    """

    def __init__(self, call: Callable, *, waits: bool = False):
        self.call, self.is_new, self._waits = call, True, waits

    def __call__(self, state: TrainState, inputs: Any) -> tuple[TrainState, Metrics]:
        self.is_new = False
        result = self.call(state, inputs)
        return jax.block_until_ready(result) if self._waits else result
