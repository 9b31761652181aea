"""What is computed in float32 whatever the networks compute in."""

import jax
import jax.numpy as jnp


def at_least_float32(x: jax.Array) -> jax.Array:
    """`x`, widened where it is narrower: squares, means and exponentials of it then are exact."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
