import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax.nn import softplus

from jaxgan.objectives import penalties
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.terms import TERMS, needs

BATCH = 4
few = settings(max_examples=25, deadline=None)


def linear(w):
    return lambda x: jnp.tensordot(x, w, axes=w.ndim)


def smooth(w):
    return lambda x: jnp.tanh(linear(w)(x)) + 0.1 * linear(w)(x**2)


def call(name, critic, shape, **kwargs):
    real, fake = jnp.asarray(np.random.default_rng(0).normal(size=(2, *shape)), jnp.float32)
    given = {"critic": critic, "real": real, "fake": fake, "key": jax.random.key(2)}
    fn = TERMS[name].disc
    return fn(**{need: given[need] for need in needs(fn)}, **kwargs)


def vectors(shape, low=-3.0, high=3.0):
    values = st.floats(low, high, width=32, allow_subnormal=False)
    return hnp.arrays(np.float32, shape, elements=values)


LINEAR = {  # value of a gradient penalty where the gradient is w everywhere
    "r1": lambda norm: 0.5 * norm**2,
    "r2": lambda norm: 0.5 * norm**2,
    "wgan_gp": lambda norm: (norm - 1) ** 2,
    "zero_centred_gp": lambda norm: norm**2,
    "dragan": lambda norm: (norm - 1) ** 2,
}


def test_every_gradient_penalty_has_a_closed_form_below():
    assert set(LINEAR) == {name for name, term in TERMS.items() if "critic" in term.needs("disc")}


@pytest.mark.parametrize("name", LINEAR)
@few
@given(w=vectors((2, 2, 1)))
def test_gradient_penalty_of_a_linear_critic(name, w):
    values = call(name, linear(jnp.asarray(w)), (BATCH, 2, 2, 1))
    expected = LINEAR[name](np.linalg.norm(w.astype(np.float64)))
    chex.assert_trees_all_close(values, jnp.full(BATCH, expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
@few
@given(w=vectors(2), target=st.floats(0, 3))
def test_target_is_the_norm_without_penalty(name, w, target):
    values = call(name, linear(jnp.asarray(w)), (BATCH, 2), target=target)
    expected = (np.linalg.norm(w.astype(np.float64)) - target) ** 2
    chex.assert_trees_all_close(values, jnp.full(BATCH, expected), rtol=1e-4, atol=1e-5)


def test_r1_of_a_quadratic_critic_differs_per_example():
    a = jnp.array([[2.0, 1.0], [1.0, 3.0]])
    x = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
    values = penalties.r1(lambda x: 0.5 * jnp.einsum("bi,ij,bj->b", x, a, x), x)
    chex.assert_trees_all_close(values, jnp.array([2.5, 5.0, 2.5]), rtol=1e-6)


def test_summed_critic_gives_the_gradient_of_each_example():
    w = jnp.array([0.3, -2.0])
    x = jax.random.normal(jax.random.key(0), (BATCH, 2))
    gradients = jax.vmap(jax.grad(lambda one: smooth(w)(one[None])[0]))(x)
    expected = jnp.sum(gradients**2, axis=1)
    chex.assert_trees_all_close(penalties.squared_gradient_norm(smooth(w), x), expected, rtol=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_zero_gradient_norm_has_a_finite_derivative(name):
    def mean(w):
        return call(name, linear(w), (BATCH, 2)).mean()

    value, gradient = jax.value_and_grad(mean)(jnp.zeros(2))
    assert value == LINEAR[name](0.0)
    chex.assert_trees_all_equal(gradient, jnp.zeros(2))


@few
@given(seed=st.integers(0, 2**31 - 1))
def test_interpolates_lie_on_the_segments_at_one_place_per_example(seed):
    real, fake = jnp.zeros((BATCH, 3, 3, 2)), jnp.full((BATCH, 3, 3, 2), 2.0)
    place = penalties.interpolate(jax.random.key(seed), real, fake).reshape(BATCH, -1) / 2
    assert jnp.all((place >= 0) & (place < 1))
    chex.assert_trees_all_equal(place, jnp.broadcast_to(place[:, :1], place.shape))
    assert len(np.unique(place[:, 0])) == BATCH


def test_interpolates_are_uniform():
    zeros, ones = jnp.zeros((20_000, 1)), jnp.ones((20_000, 1))
    place = penalties.interpolate(jax.random.key(0), zeros, ones)
    histogram, _ = np.histogram(place, bins=10, range=(0, 1))
    np.testing.assert_allclose(histogram, 2000, atol=200)


def test_perturbation_is_positive_and_bounded_by_the_spread_of_the_data():
    real = jax.random.normal(jax.random.key(0), (1000, 5)) * 3.0 + 1.0
    moved = penalties.perturb(jax.random.key(1), real, 0.5) - real
    bound = 0.5 * jnp.std(real)
    assert moved.min() >= -1e-6 and moved.max() <= bound + 1e-5
    # The mean of a product of two independent U(0, 1) is 1/4.
    np.testing.assert_allclose(moved.mean() / bound, 0.25, atol=0.02)


@few
@given(c=vectors(3))
def test_feature_matching_is_the_squared_distance_of_the_means(c):
    real = jax.random.normal(jax.random.key(0), (BATCH, 3))
    values = penalties.feature_matching(real, real[::-1] + c)
    expected = np.sum(c.astype(np.float64) ** 2)
    chex.assert_trees_all_close(values, jnp.full(BATCH, expected), rtol=1e-3, atol=1e-5)


def test_feature_matching_moves_only_the_fakes():
    def mean(real, fake):
        return penalties.feature_matching(real, fake).mean()

    real, fake = jnp.ones((BATCH, 3)), jnp.zeros((BATCH, 3))
    to_real, to_fake = jax.grad(mean, argnums=(0, 1))(real, fake)
    chex.assert_trees_all_equal(to_real, jnp.zeros_like(real))
    chex.assert_trees_all_close(to_fake, jnp.full_like(fake, -2 / BATCH))


@few
@given(real=vectors(BATCH, -20, 20), s=st.floats(0, 0.5))
def test_label_smoothing_is_the_cross_entropy_against_a_smoothed_target(real, s):
    fake = jnp.zeros(BATCH)
    for name in ("minimax", "non_saturating"):
        loss = LOSSES[name].disc(real, fake) + s * penalties.label_smoothing(real)
        smoothed = (1 - s) * softplus(-real) + s * softplus(real) + softplus(fake)
        chex.assert_trees_all_close(loss, smoothed, rtol=1e-5, atol=1e-5)
    loss = LOSSES["lsgan"].disc(real, fake) + s * penalties.label_smoothing(real)
    smoothed = 0.5 * (real - (1 - s)) ** 2
    chex.assert_trees_all_close(loss, smoothed + s - 0.5 * s**2, rtol=1e-5, atol=1e-4)


@few
@given(real=vectors(BATCH))
def test_drift_is_the_square(real):
    chex.assert_trees_all_close(penalties.drift(jnp.asarray(real)), real**2)


def test_critic_with_a_trailing_axis_is_refused():
    with pytest.raises(AssertionError, match=r"critic\(images\) must be \[B\]"):
        penalties.r1(lambda x: x[:, :1], jnp.zeros((BATCH, 2)))
