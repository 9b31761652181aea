"""Calls of several steps: where they end, and that they play the steps they say."""

from collections import Counter
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import ResidentFeed, StreamFeed
from jaxgan.engine.calls import Calls, data_key, first_batch, initializer
from jaxgan.engine.run import Cadence, call_end
from jaxgan.engine.train import train
from jaxgan.games.adversarial import AdversarialGame

INTERVAL = st.integers(0, 7)


@given(
    steps=st.integers(1, 40),
    per_call=st.integers(1, 9),
    log=INTERVAL,
    sample=INTERVAL,
    checkpoint=st.integers(1, 7),
    evaluate=INTERVAL,
    scored=st.booleans(),
)
def test_calls_end_where_the_host_has_something_to_do(
    steps, per_call, log, sample, checkpoint, evaluate, scored
):
    run = SimpleNamespace(
        steps=steps,
        steps_per_call=per_call,
        evaluate=print if scored else None,
        cadence=Cadence(log=log, sample=sample, evaluate=evaluate, checkpoint=checkpoint),
    )
    ends, done = [], 0
    while done < steps:
        begin, done = done, call_end(run, done)
        assert begin < done <= begin + per_call
        ends.append(done)
    due = [log, sample, checkpoint, evaluate if scored else 0]
    for interval in filter(None, due):
        assert set(range(interval, steps, interval)) <= set(ends)
    assert ends[-1] == steps
    # A run that resumes at a checkpoint makes the same calls.
    for saved in range(checkpoint, steps, checkpoint):
        assert call_end(run, saved) == min(end for end in ends if end > saved)


TINY = [
    "--config.gen.width=4",
    "--config.disc.width=4",
    "--config.data.batch_size=8",
    "--config.terms.r1.interval=4",
]


def test_what_is_checked_at_the_start_is_not_traced_again_to_be_compiled(tmp_path, monkeypatch):
    traced = Counter()

    def counted(name):
        method = getattr(AdversarialGame, name)

        def counting(*args):
            traced[name] += 1
            return method(*args)

        return counting

    for name in ("memories", "disc_loss"):  # each is once in the first state, and in a step
        monkeypatch.setattr(AdversarialGame, name, counted(name))
    run = build(load_config(f"{ROOT}/configs/dcgan_fashion.py:smoke", TINY[:3])).run
    assert traced == {"memories": 1, "disc_loss": 1}
    train(run, tmp_path)
    assert traced == {"memories": 1, "disc_loss": 1}


def test_one_call_of_six_steps_is_six_calls_of_one():
    run = build(load_config(f"{ROOT}/configs/dcgan_fashion.py:smoke", TINY)).run
    real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
    calls, init = Calls(run), initializer(run.game, run.optimizers, run.seed)
    single = init(real)
    seen = {}
    for step in range(6):
        single, metrics = calls.of(step, step + 1)(single, run.feed.inputs(step))
        seen |= metrics
    scanned, metrics = calls.of(0, 6)(init(real), run.feed.inputs(0, 6))
    assert scanned.step == single.step == 6
    assert "disc/r1" in metrics  # of step 4, though it was not due at the last
    close = lambda a, b: chex.assert_trees_all_close(a, b, rtol=1e-3, atol=1e-4)
    close(metrics, seen)
    close(scanned.params, single.params)
    close(scanned.ema, single.ema)


@pytest.mark.parametrize("draws", [1, 2])
def test_streamed_inputs_of_several_steps_are_those_of_each(draws):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 4, 4, 1), np.uint8)
    dataset = Dataset(
        name="toy", images=images, labels=np.arange(11, dtype=np.int32) % 3, classes=("a", "b", "c")
    )
    key = data_key(jax.random.key(3))
    stream = StreamFeed(dataset, 4, key, draws=draws, flip=True)
    resident = ResidentFeed(dataset, 4, draws=draws, flip=True)
    inputs, whole = stream.inputs(2, 3), resident.inputs(2, 3)
    for index in range(3):
        step = jnp.int32(2 + index)
        batch = stream.batch(inputs, key, step, index)
        chex.assert_shape(batch["image"], (draws, 4, 4, 4, 1))
        chex.assert_trees_all_equal(batch, resident.batch(whole, key, step, index))


def test_a_step_where_every_term_is_due_plays_the_game_itself():
    game = build(load_config(f"{ROOT}/configs/dcgan_fashion.py:smoke", TINY)).run.game
    assert game.due(4) is game and game.due(5) != game and game.due(5) == game.due(7)
