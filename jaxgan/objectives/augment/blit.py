"""Pixel blitting: mirror images, quarter turns and whole-pixel shifts, all exact."""

import jax
import jax.numpy as jnp

from jaxgan.objectives.augment.base import per_image, shifted

SHIFT_MAX = 0.125  # of each side


def blit(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """Karras et al. 2020, appendix B, pixel blitting. Each of the three with probability p:

    mirrored, x to -x, in half of the cases; turned by 0, 1, 2 or 3 quarters (0 or 2 where height
    and width differ); shifted by U(-1/8, 1/8) of each side, rounded, what comes in mirrored.
    """
    count, height, width, _ = images.shape
    u = jax.random.uniform(key, (7, count))
    images = mirror(images, (u[0] < p) & (u[1] < 0.5))
    images = turn(images, jnp.where(u[2] < p, jnp.floor(4 * u[3]).astype(jnp.int32), 0))
    sides = jnp.array([height, width])[:, None]
    shifts = jnp.round((2 * u[5:] - 1) * SHIFT_MAX * sides).astype(jnp.int32)
    reach = (round(SHIFT_MAX * height), round(SHIFT_MAX * width))
    return shifted(images, jnp.where(u[4] < p, shifts, 0), reach, "reflect")


def mirror(images: jax.Array, happens: jax.Array) -> jax.Array:
    """Left and right exchanged where `happens`, bool [B]."""
    return jnp.where(per_image(happens), images[:, :, ::-1], images)


def turn(images: jax.Array, quarters: jax.Array) -> jax.Array:
    """Turned counter-clockwise by `quarters`, int [B] in 0 to 3; odd ones of squares alone."""
    images = jnp.where(per_image(quarters >= 2), images[:, ::-1, ::-1], images)
    if images.shape[1] != images.shape[2]:
        return images
    return jnp.where(per_image(quarters % 2 == 1), jnp.rot90(images, axes=(1, 2)), images)
