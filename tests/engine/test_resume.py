"""A run that stops and goes on is the run that never stopped, to the last bit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import lru_cache

import jax
import numpy as np
import pytest
from conftest import ROOT, assert_same_bits
from PIL import Image

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.data.feed import StreamFeed
from jaxgan.engine.calls import Calls, first_batch
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.report import read_metrics
from jaxgan.engine.train import start, train

SMOKE = f"{ROOT}/configs/dcgan_fashion.py:smoke"
TINY = [
    "--config.gen.width=4",
    "--config.disc.width=4",
    "--config.data.batch_size=8",
    "--config.train.ema=0.9",
    "--config.sample.every=0",
    "--config.log.every=1",
    "--config.eval.every=0",
]
PLAYED = {
    "one turn each": [],
    "three disc turns": ["--config.train.disc_turns=3"],
    "clipped RMSProp, dropout, a falling rate, instance noise": [
        "--config.disc.name=dcgan_keras",
        "--config.disc.dropout=0.3",
        "--config.optim.disc.name=rmsprop",
        "--config.optim.disc.clip_weights=0.05",
        "--config.optim.gen.schedule=linear",
        "--config.optim.gen.warmup_steps=3",
        "--config.augment.instance_noise.until=8",
    ],
    "three steps a call, a lazy penalty within": [
        "--config.train.steps_per_call=3",
        "--config.terms.r1.interval=2",
        "--config.log.every=5",
    ],
    "terms that remember, moving weights, betas and average": [
        "--config.terms={'lecam': {'start': 2, 'decay': 0.9}, "
        "'r1': {'weight': 0.1, 'schedule': 'cosine', 'final': 0.1}, 'zcr': {'interval': 2}, "
        "'orthogonal': {'weight': 1e-4}}",
        "--config.optim.disc.b2_schedule=cosine",
        "--config.optim.disc.b2=0.9",
        "--config.train.ema_half_life=40",
        "--config.train.ema_ramp=0.5",
        "--config.top_k={'least': 0.5, 'decay': 0.8, 'every': 2}",
    ],
    "augmentation by an adaptive p": [
        "--config.augment={'ada': {'p': 0.3, 'kimg': 0.2, 'every': 2, 'target': 0.0}, "
        "'diff_augment': {}}",
    ],
    "lazy penalty, flips and labels": [
        "--config.terms.r1.weight=0.1",
        "--config.terms.r1.interval=3",
        "--config.data.flip=True",
        "--config.data.labels=True",
    ],
}  # fmt: skip


@lru_cache(maxsize=4)
def built(*overrides):
    return build(load_config(SMOKE, [*TINY, "--config.train.steps=10", *overrides])).run


def run_for(steps, workdir, overrides):
    workdir.mkdir(exist_ok=True)
    given = [f"--config.train.steps={steps}"] if steps != 10 else []
    train(built(*overrides, *given), workdir)


def stop_at(step, workdir, overrides):
    """A run of 10 steps that is interrupted after `step`, where it had saved."""
    run = built(*overrides, f"--config.checkpoint.every={step}")

    class Interrupting:
        def __getattr__(self, name):
            return getattr(run.feed, name)

        def inputs(self, at, count=1):
            if at == step:
                raise KeyboardInterrupt
            return run.feed.inputs(at, count)

    with pytest.raises(KeyboardInterrupt):
        train(replace(run, feed=Interrupting()), workdir)


def last_state(workdir, overrides):
    run = built(*overrides)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
        return start(run, checkpoints, checkpoints.latest(), real)


def without_times(workdir):
    timing = ("seconds", "images_per_sec")
    lines = read_metrics(workdir / "metrics.jsonl")
    return [{k: v for k, v in line.items() if k not in timing} for line in lines]


@pytest.mark.parametrize("played", PLAYED)
def test_half_a_run_and_the_other_half_equal_the_whole(played, tmp_path):
    overrides = PLAYED[played]
    run_for(10, tmp_path / "whole", overrides)
    stop_at(5, tmp_path / "halves", overrides)
    run_for(10, tmp_path / "halves", overrides)
    whole, halves = (last_state(tmp_path / name, overrides) for name in ("whole", "halves"))
    assert whole.step == 10
    assert "batch_stats" in whole.variables["gen"]
    assert_same_bits(whole, halves)
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "halves")


def test_kill_in_the_middle_then_the_same_command(tmp_path):
    """Killed outright at an instant when checkpoints exist; the same command finishes the run."""
    overrides = ["--config.train.steps=400", "--config.checkpoint.every=20"]
    workdir = tmp_path / "killed"
    command = [sys.executable, "-m", "jaxgan.main", "--config", SMOKE, "--workdir", str(workdir)]
    command += [*TINY, *overrides]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not (workdir / "checkpoints" / "40").exists() and time.time() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        reached = checkpoints.latest()
    assert 40 <= reached < 400
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL, env=os.environ)

    run_for(400, tmp_path / "unbroken", overrides)
    assert_same_bits(last_state(workdir, overrides), last_state(tmp_path / "unbroken", overrides))
    assert without_times(workdir) == without_times(tmp_path / "unbroken")


def test_streamed_images_train_as_resident_ones_and_resume(tmp_path):
    """A folder read from disk as it is used, stopped and resumed, against one held in memory."""
    for index in range(20):
        pixels = np.random.default_rng(index).integers(0, 256, (12, 12), np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    folder = ["--config.data.name=folder", f"--config.data.dir={tmp_path}/images",
              "--config.data.resolution=12", "--config.data.flip=True"]  # fmt: skip
    streamed = [*folder, "--config.data.max_resident_mb=0"]
    run_for(10, tmp_path / "resident", folder)
    stop_at(5, tmp_path / "streamed", streamed)
    run_for(10, tmp_path / "streamed", streamed)
    assert isinstance(built(*streamed).feed, StreamFeed)
    resident = last_state(tmp_path / "resident", folder)
    assert_same_bits(resident, last_state(tmp_path / "streamed", streamed))


def test_seed_decides_everything(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_for(2, tmp_path / name, [f"--config.seed={seed}"])
    a, b, c = (last_state(tmp_path / name, ["--config.seed=1"]) for name in "abc")
    assert_same_bits(a, b)
    with pytest.raises(AssertionError):
        assert_same_bits(jax.tree.leaves(a.params), jax.tree.leaves(c.params))


def test_the_loop_compiles_a_step_once_and_another_where_lazy_terms_are_due(tmp_path):
    overrides = ["--config.terms.r1.interval=3"]
    run = built(*overrides)
    calls = Calls(run)
    assert len({id(calls.of(step, step + 1)) for step in range(12)}) == 2
    assert calls.of(0, 1) is calls.of(3, 4) is calls.of(6, 7)
    real = first_batch(run)(run.feed.inputs(0), jax.random.key(0))
    with Checkpoints(tmp_path) as checkpoints:
        state = start(run, checkpoints, 0, real)
    for step in range(6):
        state, _ = calls.of(step, step + 1)(state, run.feed.inputs(step))
    assert [calls.of(step, step + 1).call._cache_size() for step in (0, 1)] == [1, 1]


def test_a_run_killed_after_its_last_checkpoint_still_gets_its_summary(tmp_path):
    """Also where that of a shorter run is there."""
    scored = ["--config.eval.every=2", "--config.eval.metrics=('swd',)", "--config.eval.features=",
              "--config.eval.num=16", "--config.eval.num_real=16"]  # fmt: skip
    summary = tmp_path / "summary.json"
    run_for(2, tmp_path, scored)
    shorter = summary.read_text()
    run_for(4, tmp_path, scored)
    written = json.loads(summary.read_text())
    assert written["steps"] == 4 and written["best"]["step"] in (2, 4)
    for left in (None, shorter):
        summary.write_text(left) if left else summary.unlink()
        run_for(4, tmp_path, scored)
        again = json.loads(summary.read_text())
        assert again | {"images_per_sec": 0} == written | {"images_per_sec": 0}
