"""The host loop: data, step, log, sample, evaluate, save. It never learns which game it plays."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan.engine.best import Best
from jaxgan.engine.calls import (
    Calls,
    data_key,
    initializer,
    over_seeds,
    read_first_batch,
    root_keys,
)
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.distributed import held_by_first, is_first, is_lost, of_first
from jaxgan.engine.gallery import Gallery, of_seed
from jaxgan.engine.guard import Diverged, Guard
from jaxgan.engine.health import Health
from jaxgan.engine.history import ROLLBACK, History
from jaxgan.engine.lock import Lock
from jaxgan.engine.report import Report, Unwritten, read_metrics
from jaxgan.engine.run import Run, call_end, is_time
from jaxgan.engine.sharding import here
from jaxgan.engine.signals import StopSignals
from jaxgan.engine.step import Batch, Metrics, TrainState, draws_per_step
from jaxgan.engine.stopwatch import Stopwatch
from jaxgan.errors import Failure, Stopped, UsageError, first_line, warn
from jaxgan.keys import fold


def train(run: Run, workdir: Path) -> dict[str, Any]:
    """Trains from the last whole checkpoint in `workdir`, or from the start, to `run.steps`.

    Returns the summary, which also stands in `summary.json`.

    Raises:
      UsageError: the last checkpoint does not fit the run, or is beyond `run.steps`; none is whole;
        another process trains in `workdir`.
      Diverged: something is not finite, and the run rolled back `run.rollbacks` times before.
      Failure: `workdir` cannot be written to.
      Stopped: SIGTERM or SIGINT asked for it; everything is saved.

    Of several processes each must call it; what happens, happens on all.
    """
    calls, summary = Calls(run), None
    try:
        with held_by_first(Lock(workdir)), StopSignals() as stop:
            history = History(workdir / "events.jsonl")
            while summary is None:
                summary = start_once(run, workdir, calls, history, stop)
    except BrokenPipeError:  # whoever read what is printed has gone
        raise
    except OSError as error:
        raise Failure(
            f"{error.filename or workdir}: {error.strerror or first_line(error)}; when that is "
            "mended, the same command goes on from the last checkpoint"
        ) from error
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not is_lost(error):
            raise
        raise Failure(
            f"process {jax.process_index()} of {jax.process_count()} cannot go on; most likely "
            f"another one died, whose own output says why ({first_line(error)}); the same command, "
            "on all of them, goes on from the last checkpoint"
        ) from error
    return summary


def start_once(
    run: Run, workdir: Path, calls: Calls, history: History, stop: StopSignals
) -> dict[str, Any] | None:
    """One start of the run; None where it diverged and is to be started again, rolled back."""
    with Checkpoints(
        workdir / "checkpoints",
        keep=run.keep,
        keep_every=run.keep_every,
        retry_seconds=run.retry_seconds,
    ) as checkpoints:
        first = checkpoints.latest() or 0
        if first > run.steps:
            raise UsageError(
                f"{workdir} is trained to step {first}; train.steps={run.steps} lies before it"
            )
        real = read_first_batch(run)
        state = start(run, checkpoints, first, real)
        run, state = with_other_keys(run, state, len(history.rollbacks))
        checkpoints.go_on_from(first)
        history.restart(first)
        images_per_step = run.batch_size * draws_per_step(run.game.schedule)
        with (Report if is_first() else Unwritten)(
            workdir, config=run.config, first_step=first, steps=run.steps, images=images_per_step
        ) as report:
            if first == run.steps:
                report.say(f"{workdir} is trained to step {first}; raise train.steps to go on")
                if summary := of_first(report.summary):
                    return summary
                Gallery(run, here(real), report).close()
                with keep_best(run, workdir, history) as best:
                    line = of_first(report.last_line)
                    return summarize(run, state, line, report, history, best)
            report.say(f"{describe_devices()}; training from step {first} to {run.steps}")
            with keep_best(run, workdir, history) as best:
                try:
                    return play_on(
                        run,
                        state,
                        first,
                        here(real),
                        calls,
                        checkpoints,
                        best,
                        report,
                        history,
                        stop,
                    )
                except Diverged as error:
                    if len(history.rollbacks) >= run.rollbacks:
                        raise
                    known = best.summary() if best else {}
                    history.add(ROLLBACK, error.step, broken=error.broken, best=known)
                    report.say(f"{error}; rolling back to the last checkpoint, with other data")
                    return None


def keep_best(run: Run, workdir: Path, history: History) -> AbstractContextManager[Best | None]:
    """Where the best checkpoint goes; nowhere where nothing is scored."""
    if run.evaluate is None:
        return nullcontext()
    rolled_back = [event["best"] for event in history.rollbacks if event.get("best")]
    return Best(
        workdir / "best",
        run.evaluate.watched,
        lower=run.evaluate.lower_is_better,
        lines=[*read_metrics(workdir / "metrics.jsonl"), *rolled_back],
        retry_seconds=run.retry_seconds,
    )


def play_on(
    run: Run,
    state: TrainState,
    first: int,
    real: Batch,
    calls: Calls,
    checkpoints: Checkpoints,
    best: Best | None,
    report: Report,
    history: History,
    stop: StopSignals,
) -> dict[str, Any]:
    """The loop. real: the data of step 0, for this process alone."""
    gallery, health, guard = Gallery(run, real, report), Health(real["image"], history), Guard()
    if first == 0 and run.cadence.sample:
        gallery.hang_reals()
        gallery.hang("init", state)

    watch = Stopwatch()
    latest: Metrics = {}
    line: dict[str, float] = {}
    done = saved = first
    while done < run.steps:
        if stop.asked(done):
            if done > saved:
                guard.check_state(state, done)
                checkpoints.save(done, state)
            checkpoints.wait()
            raise Stopped(
                f"stopped after step {done} of {run.steps}; the same command goes on from there"
            )
        begin, done = done, call_end(run, done)
        play, inputs = calls.of(begin, done), run.feed.inputs(begin, done - begin)
        if play.is_new:
            with watch.stopped(state):
                state, metrics = jax.block_until_ready(play(state, inputs))
        else:
            state, metrics = play(state, inputs)
            watch.steps += done - begin
        latest.update(metrics)
        guard.note(begin, done, metrics)
        last = done == run.steps
        scored = run.evaluate is not None and (last or is_time(run.cadence.evaluate, done))
        if last or scored or is_time(run.cadence.log, done):
            values = jax.device_get(latest)  # waits for the device; else no step does
            latest.clear()  # a lazy term that was not due since the last line is not in the next
            guard.check_metrics(values, done)
            health.see_metrics(done, values)
            checkpoints.check()
            if scored:
                with watch.stopped(state):
                    guard.check_state(state, done)
                    scores = evaluate(run, state)
                    best.see(done, scores, state)
                values |= scores
            line = report.log(done, values, seconds=watch.elapsed(), steps_per_sec=watch.lap())
        if run.cadence.sample and (last or is_time(run.cadence.sample, done)):
            with watch.stopped(state):
                health.see_samples(done, gallery.hang(f"{done:06d}", state))
        if last or is_time(run.cadence.checkpoint, done):
            with watch.stopped(state):
                guard.check_state(state, done)
                if best:  # else a kill between the two saves would lose it
                    best.wait()
                checkpoints.save(done, state)
                saved = done
    gallery.close()
    line["images_per_sec"] = round(watch.mean() * line["images"] / run.steps, 2)
    checkpoints.wait()
    return summarize(run, state, line, report, history, best)


def summarize(
    run: Run,
    state: TrainState,
    line: dict[str, Any],
    report: Report,
    history: History,
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
        **history.summary(),
    }
    report.summarize(summary)
    return summary


def start(run: Run, checkpoints: Checkpoints, first: int, real: Batch) -> TrainState:
    """The state of checkpoint `first`, or a new one when it is 0."""
    init = initializer(run.game, run.optimizers, run.seed, run.seeds, run.state_shards)
    if first:
        return checkpoints.restore(first, init.eval_shape(real))
    return run.begin(init(real))


def with_other_keys(run: Run, state: TrainState, rollbacks: int) -> tuple[Run, TrainState]:
    """A run that rolled back so often: with keys of its own, and the data in their order."""
    if not rollbacks:
        return run, state
    keys = root_keys(run.seed, run.seeds, rollbacks)
    state = state.replace(key=jax.device_put(keys, state.key.sharding))
    if run.seeds:  # their data lie on the device in no order
        return run, state
    return replace(run, feed=run.feed.in_order_of(data_key(keys))), state


def evaluate(run: Run, state: TrainState) -> dict[str, Any]:
    """Scores of the averaged generator, which the first process finds; of many seeds arrays.

    nan for a seed that is not finite any more: its samples are no pictures to be scored. What
    cannot be scored is told, and costs the run nothing else.
    """

    def scores(generator: Any, key: jax.Array) -> dict[str, float]:
        try:
            return run.evaluate(generator, key)
        except UsageError as error:
            warn(f"no scores of this step: {first_line(error)}")
            return {}

    ema = here(state.ema)
    # Of the seed alone: after a rollback the state has another key, and scores are still compared.
    keys = over_seeds(lambda key: fold(key, "evaluate"), run.seeds)(root_keys(run.seed, run.seeds))
    if not run.seeds:
        return of_first(lambda: scores(ema, keys))
    members = [of_seed(ema, i) for i in range(run.seeds)]
    each = [scores(m, keys[i]) if is_finite(m) else {} for i, m in enumerate(members)]
    names = next(filter(None, each), {})
    return {name: np.array([found.get(name, np.nan) for found in each]) for name in names}


def is_finite(tree: Any) -> bool:
    """Whether no number of `tree` is inf or nan."""
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return all(np.isfinite(a.astype(np.float32)).all() for a in arrays if a.dtype.kind != "i")


def count_parameters(params: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def describe_devices() -> str:
    device = jax.devices()[0]
    processes = f" of {jax.process_count()} processes" if jax.process_count() > 1 else ""
    return f"{jax.device_count()} x {device.device_kind} ({device.platform}){processes}"
