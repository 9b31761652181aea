"""Affine maps of the plane as matrices [B, 3, 3], and the random ones of ADA's geometry.

They act on (x, y, 1) in pixels, x to the right and y down, from the centre of the picture.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.objectives.augment.base import gaussian

SCALE_STD = 0.2  # of log2 of the scale
STRETCH_STD = 0.2  # of log2 of the scale along x, and of minus that along y
SHIFT_STD = 0.125  # of each side


def rows(*entries) -> jax.Array:
    """[B, 3, 3] of nine entries in reading order, arrays [B] or numbers."""
    stacked = jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, entries)), axis=-1)
    return stacked.reshape(*stacked.shape[:-1], 3, 3)


def translate(x, y) -> jax.Array:
    return rows(1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0)


def scale(x, y) -> jax.Array:
    return rows(x, 0.0, 0.0, 0.0, y, 0.0, 0.0, 0.0, 1.0)


def rotate(angle) -> jax.Array:
    """From x towards y, by radians."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    return rows(c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)


def compose(*matrices: jax.Array) -> jax.Array:
    """The product: the last one acts first."""
    product, *rest = matrices
    for matrix in rest:  # by hand: exact on devices whose matrix products are not
        product = jnp.sum(product[..., :, :, None] * matrix[..., None, :, :], axis=-2)
    return product


def random_inverse(
    key: jax.Array, p: jax.Array | float, count: int, height: int, width: int
) -> tuple[jax.Array, jax.Array]:
    """Karras et al. 2020, appendix B, general geometry: [count, 3, 3], from output to input.

    Scaled by 2^N(0, 0.2^2); turned by any angle; scaled by s along x and 1 / s along y, s of the
    same kind; turned again; shifted by N(0, (1/8)^2) of each side. Each with probability p, but the
    two turns so that at least one of them happens with probability p.

    Also where anything happens at all, bool [count].
    """
    u = jax.random.uniform(key, (11, count))
    n = gaussian(u[7:])
    turns = 1.0 - jnp.sqrt(jnp.clip(1.0 - p, 0.0, 1.0))
    scaled, before, stretched, after, moved = happens = [
        u[0] < p, u[1] < turns, u[2] < p, u[3] < turns, u[4] < p
    ]  # fmt: skip
    zoom = jnp.where(scaled, jnp.exp2(SCALE_STD * n[0]), 1.0)
    stretch = jnp.where(stretched, jnp.exp2(STRETCH_STD * n[1]), 1.0)
    angles = [
        jnp.where(on, np.pi * (2 * draw - 1), 0.0) for on, draw in ((before, u[5]), (after, u[6]))
    ]
    x, y = (jnp.where(moved, SHIFT_STD * side * draw, 0.0)
            for side, draw in ((width, n[2]), (height, n[3])))  # fmt: skip
    inverse = compose(
        scale(1 / zoom, 1 / zoom),
        rotate(-angles[0]),
        scale(1 / stretch, stretch),
        rotate(-angles[1]),
        translate(-x, -y),
    )
    return inverse, jnp.any(jnp.stack(happens), axis=0)
