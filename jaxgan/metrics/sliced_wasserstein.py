"""Sliced Wasserstein distance between two sets of arrays."""

import chex
import jax
import jax.numpy as jnp


def sliced_wasserstein(
    x: jax.Array, y: jax.Array, key: jax.Array, *, projections: int = 256
) -> jax.Array:
    """Root of the mean squared 2-Wasserstein distance over random directions, a scalar.

    x, y: equally many samples each, [N, ...]; on images the axes after the first are flattened.
    In one dimension optimal transport pairs the sorted values (Rabin et al. 2012; Bonneel et al.
    2015), so the distance is exact along each of the `projections` unit directions.
    """
    chex.assert_equal_shape([x, y], custom_message="x and y must be equally many, equal in shape")
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    directions = jax.random.normal(key, (x.shape[-1], projections))
    directions /= jnp.linalg.norm(directions, axis=0)
    gaps = jnp.sort(x @ directions, axis=0) - jnp.sort(y @ directions, axis=0)
    return jnp.sqrt(jnp.mean(gaps**2))
