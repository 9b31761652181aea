"""The averaged generator against closed forms."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.build import build_ema
from jaxgan.config import load_config
from jaxgan.engine.averaging import half_life, moving_average


@given(decay=st.floats(0, 0.9999), steps=st.integers(1, 30))
def test_moving_average_stays_within_what_it_saw(decay, steps):
    average, values = jnp.float32(0.0), [(-1.0) ** n * n for n in range(steps)]
    for step, value in enumerate(values):
        average = moving_average(average, jnp.float32(value), jnp.int32(step), decay=decay)
    assert min(0, *values) - 1e-5 <= average <= max(0, *values) + 1e-5 if steps > 1 else True


def test_moving_average_limits():
    tree = {"a": jnp.arange(3.0)}
    zero = jax.tree.map(jnp.zeros_like, tree)
    chex.assert_trees_all_equal(moving_average(zero, tree, jnp.int32(9), decay=0.0), tree)
    late = moving_average(zero, tree, jnp.int32(10**6), decay=0.75)
    chex.assert_trees_all_close(late, jax.tree.map(lambda x: 0.25 * x, tree), rtol=1e-6)
    early = moving_average(zero, tree, jnp.int32(0), decay=0.75)  # the ramp: d = 1 / 10
    chex.assert_trees_all_close(early, jax.tree.map(lambda x: 0.9 * x, tree), rtol=1e-6)


def average_of(decay, values):
    average, mix = jnp.float32(7.0), jax.jit(lambda *args: moving_average(*args, decay=decay))
    for step, value in enumerate(values):
        average = mix(average, jnp.float32(value), jnp.int32(step))
    return float(average)


def test_what_was_seen_a_half_life_ago_counts_half():
    """After n steps of 50 images a first value of 7 is 7 * 0.5^(50 n / 400)."""
    for steps in (1, 8, 16, 40):
        found = average_of(half_life(400, images=50), [0.0] * steps)
        np.testing.assert_allclose(found, 7 * 0.5 ** (50 * steps / 400), rtol=1e-5)


@pytest.mark.parametrize("ramp", [0.05, 0.5])
def test_the_ramp_in_closed_form(ramp):
    """Karras et al. 2020: the half-life is min(H, ramp * images seen)."""
    images, whole, values = 64, 1000.0, np.random.default_rng(0).normal(size=40)
    decay = half_life(whole, images=images, ramp=ramp)
    expected = 0.0  # at step 0 nothing was seen: the first value is copied
    for step, value in enumerate(values):
        seen = min(whole, ramp * images * step)
        d = 0.5 ** (images / seen) if seen else 0.0
        np.testing.assert_allclose(decay(jnp.int32(step)), d, rtol=1e-5)
        expected = d * expected + (1 - d) * value
    np.testing.assert_allclose(average_of(decay, values), expected, rtol=1e-4, atol=1e-6)


def test_while_it_ramps_up_steps_weigh_alike_wherever_they_are():
    """0.5^(1 / (ramp n)) at step n: from n to 2 n the average keeps about 2^(-ln 2 / ramp)."""
    decay = half_life(1e9, images=32, ramp=0.5)
    kept = [np.prod(decay(jnp.arange(n, 2 * n))) for n in (100, 1000, 10_000)]
    np.testing.assert_allclose(kept, 2 ** (-np.log(2) / 0.5), rtol=0.02)


def test_a_half_life_that_grows_over_the_training():
    """Huang et al. 2024: by a cosine from 0 to its value, which then stays."""
    decay = half_life(5000, images=100, schedule="cosine", steps=80)
    for step in (0, 1, 20, 40, 80, 300):
        h = 5000 * 0.5 * (1 - np.cos(np.pi * min(1, step / 80)))
        expected = 0.5 ** (100 / h) if h else 0.0
        np.testing.assert_allclose(decay(jnp.int32(step)), expected, rtol=1e-3, atol=1e-12)


def test_the_average_is_chosen_in_the_config():
    def ema(*overrides):
        flags = [f"--config.{o}" for o in ("data.batch_size=16", "train.disc_turns=3", *overrides)]
        return build_ema(load_config(f"{ROOT}/configs/dcgan_fashion.py", flags))

    assert ema() == 0.999 and ema("train.ema=0.0") == 0.0
    decay = ema("train.ema_half_life=480", "train.ema_ramp=0.5")
    # A step is 48 images: at step 1 the half-life is 24, from step 20 on it is 480.
    expected = [0.0, 0.5 ** (48 / 24), 0.5 ** (48 / 480), 0.5 ** (48 / 480)]
    found = [decay(jnp.int32(step)) for step in (0, 1, 20, 99)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "fields, kept",
    [
        ((), 0.9),
        (("--config.train.ema_half_life=640", "--config.train.ema_ramp=0.05"), 0.5**0.1),
    ],
    ids=["decay", "half-life"],
)
def test_what_another_run_has_averaged_is_not_forgotten_at_once(fields, kept):
    """The ramp is for a generator that begins untrained."""
    batch = ("--config.data.batch_size=64", "--config.train.ema=0.9", *fields)
    decay = lambda *more: build_ema(
        load_config(f"{ROOT}/configs/dcgan_fashion.py", [*batch, *more])
    )
    mixed = lambda d: float(moving_average(jnp.float32(1), jnp.float32(0), jnp.int32(0), decay=d))
    other = "--config.init.workdir=other"
    assert mixed(decay(other)) == pytest.approx(kept)
    assert mixed(decay(other, "--config.init.skip=('disc/Dense_0',)")) == pytest.approx(kept)
    assert mixed(decay(other, "--config.init.skip=('gen/Dense_0',)")) < 0.2
    assert mixed(decay()) < 0.2
