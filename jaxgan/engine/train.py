"""The host loop: data, step, log, sample, evaluate, save. It never learns which game it plays."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.report import Report
from jaxgan.engine.sharding import divide, make_mesh, replicated
from jaxgan.engine.step import (
    Batch,
    Game,
    Metrics,
    Optimizer,
    TrainState,
    draws_per_step,
    init_state,
    make_train_step,
)
from jaxgan.engine.stopwatch import Stopwatch
from jaxgan.errors import UsageError
from jaxgan.keys import fold


class Feed(Protocol):
    """The data as a function of the seed and the step."""

    def inputs(self, step: int) -> Any:
        """What the compiled step is handed: the whole set on the device, or the step's images."""

    def batch(self, inputs: Any, key: jax.Array, step: jax.Array) -> Batch:
        """The batches of a step, with a leading axis of draws; traced into the step."""


class Evaluator(Protocol):
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
    """All that training needs. ema: decay of the averaged generator, a step."""

    game: Game
    optimizers: Mapping[str, Optimizer]
    feed: Feed
    seed: int
    steps: int
    ema: float
    batch_size: int
    cadence: Cadence
    keep: int
    keep_every: int
    evaluate: Evaluator | None = None
    config: str = ""  # what `config.json` of the workdir is to say


class Diverged(Exception):
    """A loss is no longer a number."""


def train(run: Run, workdir: Path) -> dict[str, Any]:
    """Trains from the last checkpoint in `workdir`, or from the start, to `run.steps`.

    Returns the summary, which also stands in `summary.json`.

    Raises:
      UsageError: the last checkpoint does not fit the run, or is beyond `run.steps`.
      Diverged: a logged metric, or a parameter that is to be saved, is not finite.
    """
    with Checkpoints(
        workdir / "checkpoints", keep=run.keep, keep_every=run.keep_every
    ) as checkpoints:
        first = checkpoints.latest() or 0
        if first > run.steps:
            raise UsageError(
                f"{workdir} is trained to step {first}; train.steps={run.steps} lies before it"
            )
        root = jax.random.key(run.seed)
        real = jax.jit(first_batch(run))(run.feed.inputs(0), root)
        state = start(run, checkpoints, first, real)
        images_per_step = run.batch_size * draws_per_step(run.game.schedule)
        with Report(
            workdir, config=run.config, first_step=first, steps=run.steps, images=images_per_step
        ) as report:
            if first == run.steps:
                report.say(f"{workdir} is trained to step {first}; raise train.steps to go on")
                return report.summary()
            report.say(f"{describe_devices()}; training from step {first} to {run.steps}")
            return play_on(run, state, first, real, checkpoints, report)


def play_on(
    run: Run,
    state: TrainState,
    first: int,
    real: Batch,
    checkpoints: Checkpoints,
    report: Report,
) -> dict[str, Any]:
    """The loop. real: the data of step 0."""
    root = jax.random.key(run.seed)
    preview = jax.jit(run.game.preview)
    look = lambda: preview(state.ema["params"], state.ema["variables"], real, fold(root, "preview"))
    if first == 0:
        report.grid("reals", in_rows_of_8(real["image"]), 0)
        report.grid("init", look(), 0)

    steps, watch = CompiledSteps(run), Stopwatch()
    latest: Metrics = {}
    line: dict[str, float] = {}
    for step in range(first, run.steps):
        play, inputs = steps.at(step), run.feed.inputs(step)
        if play.is_new:
            with watch.stopped(state):
                state, metrics = jax.block_until_ready(play(state, inputs))
        else:
            state, metrics = play(state, inputs)
            watch.steps += 1
        latest.update(metrics)
        done = step + 1
        last = done == run.steps
        scores = {}
        if run.evaluate and (last or is_time(run.cadence.evaluate, done)):
            with watch.stopped(state):
                scores = run.evaluate(state.ema, fold(root, "evaluate"))
        if last or scores or is_time(run.cadence.log, done):
            values = jax.device_get(latest) | scores  # waits for the device; else no step does
            latest.clear()  # a lazy term that was not due since the last line is not in the next
            require_finite(values, done)
            line = report.log(done, values, seconds=watch.elapsed(), steps_per_sec=watch.lap())
        if run.cadence.sample and (last or is_time(run.cadence.sample, done)):
            with watch.stopped(state):
                report.grid(f"{done:06d}", look(), done)
        if last or is_time(run.cadence.checkpoint, done):
            with watch.stopped(state):
                require_finite({"the parameters": total(state.params)}, done)
                checkpoints.save(done, state)
    summary = {
        "steps": run.steps,
        "images": line["images"],
        "seconds": line["seconds"],
        "images_per_sec": round(watch.mean() * line["images"] / run.steps, 2),
        "parameters": {player: count_parameters(params) for player, params in state.params.items()},
        "device": describe_devices(),
        "jax": jax.__version__,
        "last": {name: value for name, value in line.items() if "/" in name},
    }
    report.summarize(summary)
    return summary


def first_batch(run: Run) -> Callable[[Any, jax.Array], Batch]:
    """The data of step 0, without the axis of draws, as a traceable function of `inputs`."""
    return lambda inputs, root: jax.tree.map(
        lambda x: x[0], run.feed.batch(inputs, data_key(root), jnp.int32(0))
    )


def data_key(root: jax.Array) -> jax.Array:
    """The key of the order and the augmentation of the data."""
    return fold(root, "data")


def initializer(game: Game, optimizers: Mapping[str, Optimizer], seed: int) -> Any:
    """The jitted function from a batch to the state before the first step, on all devices."""
    return jax.jit(
        lambda batch: init_state(game, optimizers, jax.random.key(seed), batch),
        out_shardings=replicated(make_mesh()),
    )


def start(run: Run, checkpoints: Checkpoints, first: int, real: Batch) -> TrainState:
    """The state of checkpoint `first`, or a new one when it is 0."""
    init = initializer(run.game, run.optimizers, run.seed)
    return checkpoints.restore(first, init.eval_shape(real)) if first else init(real)


def trace_step(run: Run) -> None:
    """Traces a step without compiling it, so that what cannot be trained fails at once."""
    inputs, root = run.feed.inputs(0), jax.random.key(run.seed)
    real = jax.eval_shape(first_batch(run), inputs, root)
    state = initializer(run.game, run.optimizers, run.seed).eval_shape(real)
    batches = jax.eval_shape(lambda i: run.feed.batch(i, root, jnp.int32(0)), inputs)
    jax.eval_shape(make_train_step(run.game, run.optimizers, ema=run.ema), state, batches)


class CompiledSteps:
    """The compiled step of every step number: where lazy terms are due, another than elsewhere."""

    def __init__(self, run: Run):
        self._run, self._mesh = run, make_mesh()
        self._plays: dict[Game, CompiledStep] = {}

    def at(self, step: int) -> "CompiledStep":
        game = self._run.game.due(step)
        if game not in self._plays:
            self._plays[game] = CompiledStep(self._compile(game))
        return self._plays[game]

    def _compile(self, game: Game) -> Callable:
        run, mesh = self._run, self._mesh
        play = make_train_step(game, run.optimizers, ema=run.ema)

        @partial(jax.jit, donate_argnums=0)
        def train_step(state: TrainState, inputs: Any) -> tuple[TrainState, Metrics]:
            batches = run.feed.batch(inputs, data_key(state.key), state.step)
            return play(state, divide(batches, mesh))

        return train_step


class CompiledStep:
    """A jitted step that knows whether it ran before: the first call compiles."""

    def __init__(self, step: Callable):
        self.step, self.is_new = step, True

    def __call__(self, state: TrainState, inputs: Any) -> tuple[TrainState, Metrics]:
        self.is_new = False
        return self.step(state, inputs)


def is_time(interval: int, step: int) -> bool:
    return interval > 0 and step % interval == 0


@jax.jit
def total(params: Any) -> jax.Array:
    """The sum of all parameters, which is finite only where each of them is."""
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(params))


def require_finite(metrics: Mapping[str, Any], step: int) -> None:
    broken = [name for name, value in metrics.items() if not math.isfinite(value)]
    if broken:
        raise Diverged(
            f"{', '.join(sorted(broken))} not finite at step {step}; lower the learning rates, "
            "or add a penalty (terms.r1) or clip_grad_norm"
        )


def in_rows_of_8(images: jax.Array) -> jax.Array:
    """At most 64 of `images` [B, H, W, C] as a grid [rows, columns, H, W, C]."""
    columns = min(8, len(images))
    rows = min(8, len(images) // columns)
    return images[: rows * columns].reshape(rows, columns, *images.shape[1:])


def count_parameters(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def describe_devices() -> str:
    device = jax.devices()[0]
    return f"{jax.device_count()} x {device.device_kind} ({device.platform})"
