"""What befalls a run, and that it ends as if nothing had: the small form of experiments/faults."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import jax
import numpy as np
import pytest
from conftest import ROOT, assert_same_bits

from jaxgan import evaluate, sample
from jaxgan import main as program
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import first_batch
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.guard import Diverged
from jaxgan.engine.lock import Lock
from jaxgan.engine.report import read_metrics
from jaxgan.engine.train import evaluate as evaluate_state
from jaxgan.engine.train import start, train, with_other_keys
from jaxgan.errors import Failure, Stopped, UsageError

TINY = f"{ROOT}/experiments/faults/tiny.py"
SHORT = ["--config.train.steps=30", "--config.eval.every=10"]


@pytest.fixture(scope="module", autouse=True)
def faulty():
    """The augmentation of the tiny run can be imported, and toy programs compile quickly."""
    sys.path.insert(0, f"{ROOT}/experiments/faults")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    sys.path.remove(f"{ROOT}/experiments/faults")


def make(*overrides):
    return build(load_config(TINY, [*SHORT, *overrides])).run


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("unbroken")
    train(make(), workdir)
    return workdir


def state_of(workdir, folder="checkpoints"):
    run = make()
    with Checkpoints(workdir / folder) as checkpoints:
        real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
        return start(run, checkpoints, checkpoints.latest(), real)


def assert_same_run(workdir, unbroken):
    for folder in ("checkpoints", "best"):
        assert_same_bits(state_of(workdir, folder), state_of(unbroken, folder))
    times = ("seconds", "images_per_sec")
    each = [read_metrics(path / "metrics.jsonl") for path in (workdir, unbroken)]
    first, second = ([{k: v for k, v in line.items() if k not in times} for line in lines]
                     for lines in each)  # fmt: skip
    assert first == second


def test_not_a_number_stops_the_run_names_the_step_and_is_never_saved(tmp_path, unbroken):
    with pytest.raises(Diverged, match=r"disc/adversarial, .* not finite at step 26:"):
        train(make("--config.augment.fault.at=25"), tmp_path)
    state = state_of(tmp_path)
    assert state.step == 20
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [10, 20]
    train(make(), tmp_path)
    assert_same_run(tmp_path, unbroken)


def test_a_run_rolls_back_and_goes_on_with_other_data(tmp_path, unbroken):
    for parity in (0, 1):
        faults = [f"--config.augment.fault.{name}" for name in ("at=25", f"parity={parity}")]
        workdir = tmp_path / str(parity)
        summary = train(make(*faults, "--config.train.rollbacks=20"), workdir)
        if "rollbacks" in summary:
            break
    assert {event["step"] for event in summary["rollbacks"]} == {26}
    assert "disc/loss" in summary["rollbacks"][0]["broken"]
    state, other = state_of(workdir), state_of(unbroken)
    assert (
        state.step == 30
        and (jax.random.key_data(state.key) != jax.random.key_data(other.key)).any()
    )
    assert summary == json.loads((workdir / "summary.json").read_text())
    with pytest.raises(Diverged):  # every key is unlucky
        train(make("--config.augment.fault.at=25", "--config.train.rollbacks=2"), tmp_path / "all")
    lines = (tmp_path / "all" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["rollback"] * 2
    best = json.loads(lines[0])["best"]
    assert best["step"] in (10, 20), "the best is never overwritten by what diverged"
    assert state_of(tmp_path / "all", "best").step == best["step"]


def test_scores_are_of_the_same_latents_after_a_rollback():
    run = make()
    state = start(run, None, 0, first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed)))
    _, other = with_other_keys(run, state, 2)
    assert (jax.random.key_data(state.key) != jax.random.key_data(other.key)).any()
    assert evaluate_state(run, state) == evaluate_state(run, other)


def test_streamed_images_come_in_another_order_after_a_rollback():
    from jaxgan.data.dataset import Dataset
    from jaxgan.data.feed import make_feed

    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    resident = Dataset(name="numbers", images=images)
    streamed = replace(resident, images=Files(images))
    old, new = jax.random.key(0), jax.random.key(1)
    feed = make_feed(streamed, 8, old)
    drawn = lambda feed, key: feed.batch(feed.inputs(3), key, jax.numpy.int32(3), 0)["image"]
    before = drawn(feed, old)
    after = drawn(feed.in_order_of(new), new)
    assert (before != after).any()
    np.testing.assert_array_equal(after, drawn(make_feed(resident, 8, old).in_order_of(new), new))
    np.testing.assert_array_equal(before, drawn(feed, old))


class Files:
    def __init__(self, images):
        self._images = images

    def __len__(self):
        return len(self._images)

    def __getitem__(self, index):
        return self._images[index]

    @property
    def shape(self):
        return self._images.shape[1:]


class Interrupting:
    """A feed that sends a signal to its own process, at a step."""

    def __init__(self, feed, step):
        self._feed, self._step = feed, step

    def __getattr__(self, name):
        return getattr(self._feed, name)

    def inputs(self, step, count=1):
        if step == self._step:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return self._feed.inputs(step, count)


def test_a_signal_lets_the_step_end_and_saves_it(tmp_path, unbroken):
    run = make()
    with pytest.raises(Stopped, match="stopped after step .* of 30; the same command goes on"):
        train(replace(run, feed=Interrupting(run.feed, 13)), tmp_path)
    assert state_of(tmp_path).step == 14
    assert not (tmp_path / "summary.json").exists()
    train(run, tmp_path)
    assert_same_run(tmp_path, unbroken)


def test_a_damaged_checkpoint_costs_its_steps_and_nothing_else(tmp_path, unbroken, capsys):
    train(make("--config.train.steps=20"), tmp_path)
    damaged = tmp_path / "checkpoints" / "20" / "default" / "_METADATA"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b" ")
    with pytest.raises(UsageError, match="checkpoint 20 .*_METADATA has another SHA-256"):
        sample.main(["--workdir", str(tmp_path), "--step", "20", "--npz", str(tmp_path / "a.npz")])
    sample.main(["--workdir", str(tmp_path), "--npz", str(tmp_path / "a.npz")])
    train(make(), tmp_path)
    told = capsys.readouterr().err
    assert told.count("checkpoint 20 is damaged") == 2 and "training from step 10" in told
    assert_same_run(tmp_path, unbroken)


def test_where_no_checkpoint_is_whole_every_program_says_so(tmp_path, unbroken):
    shutil.copytree(unbroken, tmp_path / "a")
    for folder in ("checkpoints", "best"):
        for path in (tmp_path / "a" / folder).glob("*/default/_METADATA"):
            path.unlink()
    (tmp_path / "a" / "checkpoints" / "20.saving").mkdir()
    with pytest.raises(UsageError, match="no checkpoint in .* is whole: checkpoint 30 is damaged"):
        train(make("--config.train.steps=40"), tmp_path / "a")
    assert (tmp_path / "a" / "checkpoints" / "20.saving").exists(), "nothing is touched"
    for program_ in (sample, evaluate):
        for checkpoint in ("last", "best"):
            with pytest.raises(UsageError, match="is whole"):
                program_.main(["--workdir", str(tmp_path / "a"), "--checkpoint", checkpoint])


def test_a_full_disk_is_one_line_and_training_goes_on_later(tmp_path, unbroken):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    train(make("--config.train.steps=20"), tmp_path)
    try:
        for size in (100, 6000):  # of config.json, of a checkpoint
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            with pytest.raises(Failure) as error:
                train(make(), tmp_path)
            assert "\n" not in str(error.value) and "the same command goes on" in str(error.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state_of(tmp_path).step >= 20
    train(make(), tmp_path)
    assert_same_run(tmp_path, unbroken)


def test_a_second_run_in_a_workdir_is_refused(tmp_path, unbroken):
    with Lock(tmp_path), pytest.raises(UsageError, match=f"process {os.getpid()} on"):
        train(make(), tmp_path)
    shutil.copytree(unbroken, tmp_path / "a")
    arguments = ["--config", TINY, "--workdir", str(tmp_path / "a"), *SHORT]
    program.main([*arguments, "--config.train.rollbacks=3"])  # may change, as the steps may


def test_the_best_is_not_lost_to_what_is_no_number(tmp_path):
    """A score that is none leaves what was best; a damaged best goes, and is named."""
    from jaxgan.engine.best import Best

    run = make()
    real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
    with Checkpoints(tmp_path / "none") as none:
        state = start(run, none, 0, real)
    keep = lambda lines=(): Best(tmp_path / "best", "eval/fd", lower=True, lines=lines)
    with keep() as best:
        best.see(0, {"eval/fd": np.nan}, state)
        best.see(0, {"eval/fd": 2.0}, state)
        best.see(10, {"eval/fd": np.nan}, state)
        assert best.summary() == {"step": 0, "eval/fd": 2.0}
    with keep([{"step": 0, "eval/fd": 3.0}, {"step": 0, "eval/fd": 2.0}]) as best:
        assert best.score == 2.0
    (tmp_path / "best" / "0" / "default" / "_METADATA").unlink()
    with keep([{"step": 0, "eval/fd": 2.0}]) as best:
        assert best.summary() == {} and not list((tmp_path / "best").iterdir())


@pytest.mark.slow
def test_the_campaign_finds_nothing_broken():
    command = [sys.executable, "experiments/faults/run.py", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("|\n") + 1 >= 9
