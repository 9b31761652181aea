"""A discriminator that must be able to draw what it sees knows more than what betrays fakes."""

import chex
import jax
import jax.numpy as jnp


def reconstruction(real_reconstructions) -> jax.Array:
    """Mean |drawn - seen| of each real image, [B], summed over what was drawn of it.

    Liu et al. 2021, eq. 4, on reals alone, with the distance of pixels in the place of a perceptual
    one; weight 1 there. What was seen is the augmented image.
    """
    total = 0.0
    for drawn, seen in real_reconstructions:
        chex.assert_equal_shape([drawn, seen], custom_message="drawn and seen pictures")
        drawn, seen = drawn.astype(jnp.float32), seen.astype(jnp.float32)
        distance = jnp.abs(drawn - jax.lax.stop_gradient(seen))
        total += jnp.mean(distance, axis=tuple(range(1, distance.ndim)))
    return total
