"""Path length regularisation of generators whose Jacobian is known."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.path_length import first_mean, path_length

KEY = jax.random.key(3)
SHAPE = (4, 3, 2)  # of an image


def linear(matrix):
    """images = sum over layers of matrix[layer] @ w[layer]; matrix: [layers, 24, D]."""

    def styled(count):
        layers, pixels, width = matrix.shape
        styles = jax.random.normal(jax.random.key(1), (count, layers, width))
        draw = lambda w: jnp.einsum("lpd,nld->np", matrix, w).reshape(count, *SHAPE)
        return styles, draw

    return styled


@pytest.mark.parametrize("layers", [1, 3])
def test_of_a_linear_generator_in_closed_form(layers):
    """J^T y = A^T y wherever w is; y is drawn with the term's key."""
    matrix = np.random.default_rng(0).normal(size=(layers, 24, 5))
    values, mean = path_length(linear(jnp.asarray(matrix)), jnp.zeros(12), KEY, jnp.asarray(0.5))
    y = np.asarray(jax.random.normal(KEY, (6, *SHAPE))).reshape(6, 24) / 12**0.5
    slopes = np.einsum("lpd,np->nld", matrix, y)
    lengths = np.sqrt((slopes**2).sum(axis=2).mean(axis=1))
    expected = 0.5 + 0.01 * (lengths.mean() - 0.5)
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    np.testing.assert_allclose(values, (lengths - expected) ** 2, rtol=1e-4)


def test_an_orthogonal_generator_of_the_mean_length_has_no_penalty_in_the_mean():
    """E ||A^T y||^2 = ||A||_F^2 over the pixels: 24 of 24 values on 12 pixels."""
    values, mean = path_length(linear(jnp.eye(24)[None]), jnp.zeros(4000), KEY, jnp.asarray(2**0.5))
    np.testing.assert_allclose(mean, 2**0.5, rtol=1e-3)
    assert jnp.mean(values) < 0.05  # what is left is the chance in the length of y


def test_the_mean_follows_the_lengths_and_is_a_constant_to_the_gradient():
    memory = first_mean()
    styled = lambda scale: linear(scale * jnp.ones((1, 24, 5)))
    for step in range(3):
        _, memory = path_length(styled(1.0), jnp.zeros(64), jax.random.key(step), memory, decay=0.5)
    assert 0.5 < memory / path_length(styled(1.0), jnp.zeros(64), KEY, memory, decay=1.0)[1] < 1.2

    def of(scale):
        values, mean = path_length(styled(scale), jnp.zeros(64), KEY, memory, decay=1.0)
        return jnp.mean(values), mean

    (_, mean), slope = jax.value_and_grad(of, has_aux=True)(1.0)
    lengths = lambda scale: scale * path_length(styled(1.0), jnp.zeros(64), KEY, memory)[0]
    chex.assert_shape(lengths(1.0), (32,))
    spread = lambda scale: jnp.mean((scale * _lengths(styled, KEY) - mean) ** 2)
    np.testing.assert_allclose(slope, jax.grad(spread)(1.0), rtol=1e-4)


def _lengths(styled, key):
    """Lengths themselves: the root of the values with no mean."""
    return jnp.sqrt(path_length(styled(1.0), jnp.zeros(64), key, 0.0, decay=0.0)[0])


def test_shrink_leaves_at_least_one_image_and_is_positive():
    for shrink, count in ((1, 5), (2, 2), (9, 1)):
        values, _ = path_length(
            linear(jnp.ones((1, 24, 2))), jnp.zeros(5), KEY, first_mean(), shrink=shrink
        )
        chex.assert_shape(values, (count,))
    with pytest.raises(ValueError, match="shrink must be at least 1"):
        path_length(linear(jnp.ones((1, 24, 2))), jnp.zeros(5), KEY, first_mean(), shrink=0)
