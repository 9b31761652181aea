"""An augmentation that goes wrong, at one step and perhaps with half of all keys only."""

import jax
import jax.numpy as jnp


def nan_at(
    images: jax.Array, key: jax.Array, step: jax.Array, *, at: int = -1, parity: int = -1
) -> jax.Array:
    """`images`, but NaN at step `at`, counted from 0, if `parity` is -1 or that of the key."""
    unlucky = (parity < 0) | (jax.random.key_data(key)[-1] % 2 == parity % 2)
    return jnp.where((step == at) & unlucky, jnp.nan, images)
