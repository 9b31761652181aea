"""The host loop: data, step, log, sample, evaluate, save. It never learns which game it plays."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.engine.best import Best
from jaxgan.engine.calls import Calls, first_batch, initializer, over_seeds
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.gallery import Gallery, of_seed
from jaxgan.engine.report import Report, read_metrics
from jaxgan.engine.run import Run, call_end, is_time
from jaxgan.engine.step import Batch, Metrics, TrainState, draws_per_step
from jaxgan.engine.stopwatch import Stopwatch
from jaxgan.errors import UsageError
from jaxgan.keys import fold


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
        real = jax.jit(first_batch(run))(run.feed.inputs(0), jax.random.key(run.seed))
        state = start(run, checkpoints, first, real)
        images_per_step = run.batch_size * draws_per_step(run.game.schedule)
        with Report(
            workdir, config=run.config, first_step=first, steps=run.steps, images=images_per_step
        ) as report:
            if first == run.steps:
                report.say(f"{workdir} is trained to step {first}; raise train.steps to go on")
                return report.summary() or summarize(run, state, report.last_line(), report)
            report.say(f"{describe_devices()}; training from step {first} to {run.steps}")
            with keep_best(run, workdir, first) as best:
                return play_on(run, state, first, real, checkpoints, best, report)


def keep_best(run: Run, workdir: Path, first: int) -> AbstractContextManager[Best | None]:
    """Where the best checkpoint goes; nowhere where nothing is scored."""
    if run.evaluate is None:
        return nullcontext()
    return Best(
        workdir / "best",
        run.evaluate.watched,
        lower=run.evaluate.lower_is_better,
        lines=read_metrics(workdir / "metrics.jsonl"),
        first=first,
    )


def play_on(
    run: Run,
    state: TrainState,
    first: int,
    real: Batch,
    checkpoints: Checkpoints,
    best: Best | None,
    report: Report,
) -> dict[str, Any]:
    """The loop. real: the data of step 0."""
    gallery = Gallery(run, real, report)
    if first == 0:
        gallery.hang_reals()
        gallery.hang("init", state)

    calls, watch = Calls(run), Stopwatch()
    latest: Metrics = {}
    line: dict[str, float] = {}
    done = first
    while done < run.steps:
        begin, done = done, call_end(run, done)
        play, inputs = calls.of(begin, done), run.feed.inputs(begin, done - begin)
        if play.is_new:
            with watch.stopped(state):
                state, metrics = jax.block_until_ready(play(state, inputs))
        else:
            state, metrics = play(state, inputs)
            watch.steps += done - begin
        latest.update(metrics)
        last = done == run.steps
        scored = run.evaluate is not None and (last or is_time(run.cadence.evaluate, done))
        if last or scored or is_time(run.cadence.log, done):
            values = jax.device_get(latest)  # waits for the device; else no step does
            latest.clear()  # a lazy term that was not due since the last line is not in the next
            require_finite(values, done)
            if scored:
                with watch.stopped(state):
                    scores = evaluate(run, state)
                    best.see(done, scores, state)
                values |= scores
            line = report.log(done, values, seconds=watch.elapsed(), steps_per_sec=watch.lap())
        if run.cadence.sample and (last or is_time(run.cadence.sample, done)):
            with watch.stopped(state):
                gallery.hang(f"{done:06d}", state)
        if last or is_time(run.cadence.checkpoint, done):
            with watch.stopped(state):
                sums = over_seeds(total, run.seeds)(state.params)
                require_finite({"the parameters": jax.device_get(sums)}, done)
                checkpoints.save(done, state)
    gallery.close()
    line["images_per_sec"] = round(watch.mean() * line["images"] / run.steps, 2)
    return summarize(run, state, line, report, best)


def summarize(
    run: Run,
    state: TrainState,
    line: dict[str, Any],
    report: Report,
    best: Best | None = None,
) -> dict[str, Any]:
    """Writes the summary of a finished run and returns it. line: its last metrics."""
    summary = {
        "steps": run.steps,
        **{name: line[name] for name in ("images", "seconds", "images_per_sec")},
        "parameters": {
            player: count_parameters(params) // max(1, run.seeds)
            for player, params in state.params.items()
        },
        "device": describe_devices(),
        "jax": jax.__version__,
        "last": {name: value for name, value in line.items() if "/" in name},
        **{name: line[name] for name in ("standard_error", "seeds") if name in line},
        **({"best": best.summary()} if best else {}),
    }
    report.summarize(summary)
    return summary


def start(run: Run, checkpoints: Checkpoints, first: int, real: Batch) -> TrainState:
    """The state of checkpoint `first`, or a new one when it is 0."""
    init = initializer(run.game, run.optimizers, run.seed, run.seeds)
    return checkpoints.restore(first, init.eval_shape(real)) if first else init(real)


@jax.jit
def total(params: Any) -> jax.Array:
    """The sum of all parameters, which is finite only where each of them is."""
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(params))


def evaluate(run: Run, state: TrainState) -> dict[str, Any]:
    """Scores of the averaged generator; of many seeds arrays of them."""
    keys = over_seeds(lambda key: fold(key, "evaluate"), run.seeds)(state.key)
    if not run.seeds:
        return run.evaluate(state.ema, keys)
    each = [run.evaluate(of_seed(state.ema, i), keys[i]) for i in range(run.seeds)]
    return {name: np.array([scores[name] for scores in each]) for name in each[0]}


def require_finite(metrics: Mapping[str, Any], step: int) -> None:
    """Raises Diverged where a value is no number; of many seeds only where none of theirs is."""
    broken = [name for name, value in metrics.items() if not np.isfinite(value).any()]
    if broken:
        raise Diverged(
            f"{', '.join(sorted(broken))} not finite at step {step}; lower the learning rates, "
            "or add a penalty (terms.r1) or clip_grad_norm"
        )


def count_parameters(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def describe_devices() -> str:
    device = jax.devices()[0]
    return f"{jax.device_count()} x {device.device_kind} ({device.platform})"
