import chex
import jax
import jax.numpy as jnp

from jaxgan.metrics.sliced_wasserstein import sliced_wasserstein


def test_of_a_set_and_itself_is_zero_in_any_order():
    x = jax.random.normal(jax.random.key(0), (50, 4, 4, 1))
    y = jax.random.permutation(jax.random.key(1), x)
    chex.assert_trees_all_close(sliced_wasserstein(x, y, jax.random.key(2)), 0.0, atol=1e-6)


def test_of_a_shift_is_its_length_over_the_root_of_the_dimension():
    """Along a random unit direction u a shift c moves everything by c.u; E (c.u)^2 = |c|^2 / d."""
    x = jax.random.normal(jax.random.key(0), (200, 16))
    shift = jnp.linspace(-1.0, 2.0, 16)
    distance = sliced_wasserstein(x, x + shift, jax.random.key(2), projections=20_000)
    chex.assert_trees_all_close(distance, jnp.linalg.norm(shift) / 4, rtol=0.02)


def test_is_symmetric_and_scales():
    x, y = jax.random.normal(jax.random.key(0), (2, 100, 8))
    key = jax.random.key(3)
    forward = sliced_wasserstein(x, y, key)
    chex.assert_trees_all_close(sliced_wasserstein(y, x, key), forward, rtol=1e-6)
    chex.assert_trees_all_close(sliced_wasserstein(3 * x, 3 * y, key), 3 * forward, rtol=1e-5)
