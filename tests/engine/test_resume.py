"""A run that stops and goes on is the run that never stopped, to the last bit."""

import os
import signal
import subprocess
import sys
import time

import jax
import pytest
from conftest import ROOT, assert_same_bits

from jaxgan.build import build
from jaxgan.config import load_config
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
]
PLAYED = {
    "one turn each": [],
    "five disc turns": ["--config.train.disc_turns=5"],
    "lazy penalty, flips and labels": [
        "--config.terms.r1.weight=0.1",
        "--config.terms.r1.interval=3",
        "--config.data.flip=True",
        "--config.data.labels=True",
    ],
}  # fmt: skip


def run_for(steps, workdir, overrides):
    config = load_config(SMOKE, [*TINY, *overrides, f"--config.train.steps={steps}"])
    workdir.mkdir(exist_ok=True)
    train(build(config).run, workdir)


def last_state(workdir, overrides):
    run = build(load_config(SMOKE, [*TINY, *overrides])).run
    checkpoints = Checkpoints(workdir / "checkpoints")
    state = start(run, checkpoints, checkpoints.latest())
    checkpoints.close()
    return state


def without_times(workdir):
    timing = ("seconds", "images_per_sec")
    lines = read_metrics(workdir / "metrics.jsonl")
    return [{k: v for k, v in line.items() if k not in timing} for line in lines]


@pytest.mark.parametrize("played", PLAYED)
def test_half_a_run_and_the_other_half_equal_the_whole(played, tmp_path):
    overrides = PLAYED[played]
    run_for(10, tmp_path / "whole", overrides)
    run_for(5, tmp_path / "halves", overrides)
    run_for(10, tmp_path / "halves", overrides)
    whole, halves = (last_state(tmp_path / name, overrides) for name in ("whole", "halves"))
    assert whole.step == 10
    assert "batch_stats" in whole.variables["gen"]
    assert_same_bits(whole, halves)
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "halves")


def test_kill_in_the_middle_then_the_same_command(tmp_path):
    """Killed outright at an instant when checkpoints exist; the same command finishes the run."""
    overrides = ["--config.train.steps=60", "--config.checkpoint.every=5"]
    workdir = tmp_path / "killed"
    command = [sys.executable, "-m", "jaxgan.main", "--config", SMOKE, "--workdir", str(workdir)]
    command += [*TINY, *overrides]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while len(read_metrics(workdir / "metrics.jsonl")) < 12 and time.time() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = Checkpoints(workdir / "checkpoints").latest()
    assert 0 < reached < 60
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL, env=os.environ)

    run_for(60, tmp_path / "unbroken", overrides)
    assert_same_bits(last_state(workdir, overrides), last_state(tmp_path / "unbroken", overrides))
    assert without_times(workdir) == without_times(tmp_path / "unbroken")


def test_seed_decides_everything(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_for(2, tmp_path / name, [f"--config.seed={seed}"])
    a, b, c = (last_state(tmp_path / name, ["--config.seed=1"]) for name in "abc")
    assert_same_bits(a, b)
    with pytest.raises(AssertionError):
        assert_same_bits(jax.tree.leaves(a.params), jax.tree.leaves(c.params))
