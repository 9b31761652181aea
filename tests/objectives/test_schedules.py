"""Schedules against closed forms and Optax's."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.objectives.schedules import SCHEDULES, learning_rate, scheduled

few = settings(max_examples=20, deadline=None)
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


@every_schedule
@few
@given(start=st.floats(-3, 3), end=st.floats(-3, 3), steps=st.integers(1, 40))
def test_values_go_from_start_to_end_and_stay(schedule, start, end, steps):
    values = np.array(scheduled(start, end, schedule=schedule, steps=steps)(jnp.arange(60)))
    np.testing.assert_allclose(values[0], start, atol=1e-6)
    last = start if schedule == "constant" else end
    np.testing.assert_allclose(values[steps:], last, atol=1e-5)
    assert np.all(np.diff(values) * np.sign(end - start) >= -1e-5)


def test_halfway_is_the_mean_and_the_cosine_is_flat_at_its_ends():
    for schedule in ("linear", "cosine"):
        np.testing.assert_allclose(scheduled(1.0, 5.0, schedule=schedule, steps=10)(5), 3.0)
    cosine = scheduled(0.0, 1.0, schedule="cosine", steps=100)
    np.testing.assert_allclose(cosine(25), 0.5 - 0.5 * np.cos(np.pi / 4), rtol=1e-5)
    slope = jax.grad(lambda count: cosine(count))
    np.testing.assert_allclose([slope(0.01), slope(99.99)], 0.0, atol=1e-5)


@every_schedule
@few
@given(final=st.floats(0, 1), warmup=st.integers(0, 20), fall=st.integers(1, 50))
def test_rates_rise_to_lr_and_never_rise_again(schedule, final, warmup, fall):
    rate = learning_rate(
        2.0, schedule=schedule, warmup_steps=warmup, total_steps=warmup + fall, final=final
    )
    rates = np.array(rate(jnp.arange(80)))
    np.testing.assert_allclose(rates[:warmup], 2.0 * np.arange(warmup) / max(1, warmup), rtol=1e-6)
    np.testing.assert_allclose(rates[warmup], 2.0, rtol=1e-6)
    assert np.all(np.diff(rates[warmup:]) <= 1e-6)
    end = 2.0 if schedule == "constant" else 2.0 * final
    np.testing.assert_allclose(rates[warmup + fall :], end, atol=1e-6)


@every_schedule
def test_the_rate_on_the_host_is_the_rate_in_the_step(schedule):
    rate = learning_rate(1e-3, schedule=schedule, warmup_steps=3, total_steps=10, final=0.1)
    for count in range(12):
        np.testing.assert_allclose(rate(count), jax.jit(rate)(jnp.int32(count)), rtol=1e-6)


def test_linear_and_cosine_match_optax():
    counts = jnp.arange(60)
    linear = learning_rate(2e-4, schedule="linear", total_steps=50, final=0.25)
    expected = optax.linear_schedule(2e-4, 0.5e-4, 50)
    chex.assert_trees_all_close(jax.vmap(linear)(counts), jax.vmap(expected)(counts), rtol=1e-5)
    cosine = learning_rate(2e-4, schedule="cosine", warmup_steps=7, total_steps=50, final=0.25)
    expected = optax.warmup_cosine_decay_schedule(0.0, 2e-4, 7, 50, end_value=0.5e-4)
    chex.assert_trees_all_close(jax.vmap(cosine)(counts), jax.vmap(expected)(counts), rtol=1e-5)


@every_schedule
def test_a_run_that_ends_within_the_warm_up_still_has_rates(schedule):
    rate = learning_rate(1.0, schedule=schedule, warmup_steps=100, total_steps=10)
    np.testing.assert_allclose(rate(10), 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        (
            {"schedule": "cosin"},
            "unknown schedule 'cosin'; did you mean 'cosine'. choose from constant",
        ),
        ({"final": 1.5}, "fraction of lr"),
        ({"final": -0.1}, "fraction of lr"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
    ],
)
def test_wrong_schedules_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        learning_rate(1e-3, total_steps=10, **kwargs)
