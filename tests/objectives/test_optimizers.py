import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxgan.objectives.optimizers import OPTIMIZERS, SCHEDULES, learning_rate, make_optimizer

few = settings(max_examples=20, deadline=None)
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
PARAMS = {"w": jnp.array([[0.5, -2.0], [0.0, 1.0]]), "b": jnp.array([0.3])}


def quadratic(params):
    return 0.5 * sum(jnp.sum(p**2) for p in jax.tree.leaves(params))


def minimise(optimizer, steps, params=PARAMS):
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(jax.grad(quadratic)(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return params


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
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; choose from constant, cosine, linear"),
        ({"final": 1.5}, "fraction of lr"),
        ({"final": -0.1}, "fraction of lr"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
    ],
)
def test_wrong_schedules_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        learning_rate(1e-3, total_steps=10, **kwargs)


@every_optimizer
def test_every_optimizer_descends_and_moves_nothing_at_rate_zero(name):
    assert quadratic(minimise(make_optimizer(name, 0.05), 20)) < 0.8 * quadratic(PARAMS)
    chex.assert_trees_all_equal(minimise(make_optimizer(name, 0.0), 2), PARAMS)


@every_optimizer
def test_every_optimizer_follows_its_schedule(name):
    ends = learning_rate(0.05, schedule="linear", total_steps=4)
    optimizer = make_optimizer(name, ends)
    chex.assert_trees_all_equal(minimise(optimizer, 4), minimise(optimizer, 9))


@every_optimizer
@few
@given(
    limit=st.floats(0.01, 1.0),
    start=hnp.arrays(np.float32, 6, elements=st.floats(-5, 5, width=32, allow_subnormal=False)),
)
def test_clipped_weights_stay_within_the_limit(name, limit, start):
    # Eager on purpose: compiling anew for every limit would take most of the time.
    optimizer = make_optimizer(name, 0.1, clip_weights=limit)
    params = {"w": jnp.asarray(start)}
    updates, _ = optimizer.update(jax.grad(quadratic)(params), optimizer.init(params), params)
    # The update is as fine as the parameter it starts from, so that much may be left over.
    rounding = np.finfo(np.float32).eps * (limit + np.abs(start))
    assert jnp.all(jnp.abs(optax.apply_updates(params, updates)["w"]) <= limit + rounding)


@every_optimizer
def test_a_wide_limit_changes_nothing(name):
    clipped = minimise(make_optimizer(name, 0.05, clip_weights=100.0), 5)
    chex.assert_trees_all_close(clipped, minimise(make_optimizer(name, 0.05), 5), atol=1e-6)


def test_gradient_clipping_bounds_the_global_norm_before_the_rule():
    moved = minimise(make_optimizer("sgd", 1.0, clip_grad_norm=0.1), 1)
    difference = jax.tree.map(jnp.subtract, moved, PARAMS)
    np.testing.assert_allclose(jnp.sqrt(2 * quadratic(difference)), 0.1, rtol=1e-5)


def test_weight_clipping_asks_for_the_parameters():
    optimizer = make_optimizer("sgd", 0.1, clip_weights=0.1)
    with pytest.raises(ValueError, match="needs the parameters"):
        optimizer.update(PARAMS, optimizer.init(PARAMS))


@pytest.mark.parametrize(
    "name, kwargs, message",
    [
        (
            "adma",
            {},
            "unknown optimizer 'adma'; choose from adam, adamw, optimistic_adam, rmsprop, sgd",
        ),
        ("adam", {"beta1": 0.5}, "adam has no beta1; choose from b1, b2"),
        ("rmsprop", {"alpha": 0.9}, "rmsprop has no alpha; choose from decay, eps, momentum"),
        ("adam", {"clip_weights": -1.0}, "clip_weights=-1.0"),
        ("adam", {"clip_grad_norm": -1.0}, "clip_grad_norm=-1.0"),
    ],
)
def test_wrong_optimizers_are_refused(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(name, 1e-3, **kwargs)
