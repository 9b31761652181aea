import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxgan.objectives.optimizers import OPTIMIZERS, make_optimizer
from jaxgan.objectives.schedules import learning_rate

few = settings(max_examples=20, deadline=None)
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


@every_optimizer
def test_every_optimizer_descends_and_moves_nothing_at_rate_zero(name):
    assert quadratic(minimise(make_optimizer(name, 0.05), 20)) < 0.8 * quadratic(PARAMS)
    chex.assert_trees_all_equal(minimise(make_optimizer(name, 0.0), 2), PARAMS)


@every_optimizer
def test_every_optimizer_follows_its_schedule(name):
    ends = learning_rate(0.05, schedule="linear", total_steps=4)
    optimizer = make_optimizer(name, ends)
    chex.assert_trees_all_equal(minimise(optimizer, 4), minimise(optimizer, 9))


def test_a_constant_adam_is_optaxs():
    for name, reference in (("adam", optax.adam), ("adamw", optax.adamw)):
        options = {"b1": 0.5, "b2": 0.9, "eps": 1e-6, "nesterov": True}
        ours, theirs = make_optimizer(name, 0.05, **options), reference(0.05, **options)
        chex.assert_trees_all_equal(minimise(ours, 5), minimise(theirs, 5))
        inner = ours.init(PARAMS)[1]  # the same tree, so that a checkpoint of either fits
        chex.assert_trees_all_equal_structs(inner, theirs.init(PARAMS))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_betas_that_move_nowhere_are_constant(schedule):
    still = {"b1": 0.5, "b1_final": 0.5, "b1_schedule": schedule}
    still |= {"b2": 0.9, "b2_final": 0.9, "b2_schedule": schedule, "total_steps": 4}
    moving = minimise(make_optimizer("adam", 0.05, **still), 6)
    constant = minimise(make_optimizer("adam", 0.05, b1=0.5, b2=0.9), 6)
    chex.assert_trees_all_close(moving, constant, rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_beta_goes_from_its_value_to_its_final_one(name):
    """With one gradient for ever, the second moment is 1 - the product of the betas so far."""
    optimizer = make_optimizer(
        name, 0.05, b2=0.5, b2_final=0.9, b2_schedule="linear", total_steps=4
    )
    params, left = jnp.ones(1), 1.0
    state = optimizer.init(params)
    for count in range(7):
        _, state = optimizer.update(jnp.ones(1), state, params)
        left *= 0.5 + 0.4 * min(1.0, count / 4)
        np.testing.assert_allclose(optax.tree.get(state, "nu"), 1 - left, rtol=1e-5)


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


@pytest.mark.parametrize("gradients", [(0.0, 0.0), (3.0, 0.0), (3.0, 4.0)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_clipped_updates_can_be_differentiated(name, gradients):
    """As unrolling does; a saturated discriminator has gradients that are all 0."""
    rule = make_optimizer(name, 1e-3, clip_grad_norm=1.0)
    params = jnp.zeros(2)
    moved = lambda gradients: rule.update(gradients, rule.init(params), params)[0].sum()
    assert jnp.isfinite(jax.grad(moved)(jnp.array(gradients))).all()


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
            "unknown optimizer 'adma'; did you mean 'adam'. choose from adam, adamw",
        ),
        ("adam", {"beta1": 0.5}, "adam has no beta1; choose from b1, b2"),
        ("rmsprop", {"alpha": 0.9}, "rmsprop has no alpha; choose from decay, eps, momentum"),
        ("adam", {"b2": 1.0}, r"b2 must be in \[0, 1\)"),
        ("adam", {"b1_final": -0.1, "b1_schedule": "linear"}, "b1_final must be in"),
        ("optimistic_adam", {"b1": 1.5}, "b1 must be in"),
        ("rmsprop", {"decay": 1.0}, "decay must be in"),
        ("adam", {"b2_schedule": "cosin"}, "unknown schedule 'cosin'"),
        ("adam", {"clip_weights": -1.0}, "clip_weights=-1.0"),
        ("adam", {"clip_grad_norm": -1.0}, "clip_grad_norm=-1.0"),
    ],
)
def test_wrong_optimizers_are_refused(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(name, 1e-3, **kwargs)
