"""The host loop costs little. Slow: python -m pytest -m slow tests/engine/test_speed.py -s"""

import time

import jax
import pytest
from conftest import ROOT

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, first_batch, initializer
from jaxgan.engine.report import read_metrics
from jaxgan.engine.train import train

WORKLOADS = {
    "dcgan": (200, []),
    "mlp": (1000, ["--config.gen={'name': 'mlp'}", "--config.disc={'name': 'mlp'}"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS)
def test_images_a_second_are_those_of_the_bare_step(workload, tmp_path):
    """At least 95%, the best tick of each, so that a noisy machine disturbs both alike."""
    steps, overrides = WORKLOADS[workload]
    ticks = 10
    config = load_config(
        f"{ROOT}/configs/dcgan_fashion.py",
        [
            *overrides,
            "--config.eval.every=0",
            f"--config.train.steps={steps}",
            f"--config.log.every={steps // ticks}",
        ],
    )
    run = build(config).run
    real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
    state = initializer(run.game, run.optimizers, run.seed)(real)
    step, inputs = Calls(run).of(0, 1).call, run.feed.inputs(0)
    bare = []
    for _ in range(ticks + 1):
        begin = time.perf_counter()
        for _ in range(steps // ticks):
            state, _ = step(state, inputs)
        jax.block_until_ready(state)
        bare.append(steps // ticks * run.batch_size / (time.perf_counter() - begin))
    train(run, tmp_path)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    looped = [line["images_per_sec"] for line in lines if "images" in line]
    ratio = max(looped) / max(bare[1:])
    print(f"{workload}: loop {max(looped):.0f}, bare {max(bare[1:]):.0f} images/s: {ratio:.3f}")
    assert ratio >= 0.95
