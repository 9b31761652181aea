"""Colour transformations of ADA (Karras et al. 2020, appendix B), as matrices [B, 4, 4].

They act on (r, g, b, 1). Grey is the axis (1, 1, 1), along which lightness is measured.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.objectives.augment.affine import compose
from jaxgan.objectives.augment.base import gaussian, per_image

BRIGHTNESS_STD = 0.2
CONTRAST_STD = 0.5  # of log2
SATURATION_STD = 1.0  # of log2
_GREY = np.full((3, 3), 1 / 3, np.float32)  # the projection on the axis
_CROSS = np.float32([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.float32(np.sqrt(3))  # v -> axis x v


def matrix_of(linear: jax.Array, constant=0.0) -> jax.Array:
    """[B, 3, 3] and a constant of all channels, [B] -> [B, 4, 4]."""
    constant = jnp.broadcast_to(jnp.asarray(constant)[..., None, None], (*linear.shape[:-2], 3, 1))
    above = jnp.concatenate([linear, constant], axis=-1)
    last = jnp.broadcast_to(jnp.array([0.0, 0.0, 0.0, 1.0]), (*linear.shape[:-2], 1, 4))
    return jnp.concatenate([above, last], axis=-2)


def brightness(added: jax.Array) -> jax.Array:
    return matrix_of(jnp.broadcast_to(jnp.eye(3), (*added.shape, 3, 3)), added)


def contrast(factor: jax.Array) -> jax.Array:
    return matrix_of(factor[..., None, None] * jnp.eye(3))


def luma_flip(happens: jax.Array) -> jax.Array:
    """Light is dark and hues stay: mirrored along grey, where bool `happens`."""
    return matrix_of(jnp.eye(3) - 2.0 * happens[..., None, None] * _GREY)


def hue(angle: jax.Array) -> jax.Array:
    """Turned around grey, from red towards green, by radians (Rodrigues' formula)."""
    angle = angle[..., None, None]
    turned = jnp.sin(angle) * _CROSS + (1.0 - jnp.cos(angle)) * (_CROSS @ _CROSS)
    return matrix_of(jnp.eye(3) + turned)


def saturation(factor: jax.Array) -> jax.Array:
    """The distance from grey times `factor`."""
    return matrix_of(jnp.eye(3) + (factor[..., None, None] - 1.0) * (jnp.eye(3) - _GREY))


def recolor(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """Each with probability p: brightness + N(0, 0.2^2), contrast times 2^N(0, 0.5^2), a luma flip
    in half of the cases, hue by any angle, saturation times 2^N(0, 1).

    Images [B, H, W, C] of one channel have no hue and no saturation; a luma flip changes their
    sign. Of channels that are neither grey nor RGB nothing is known: all of them get the same
    brightness and contrast.
    """
    count, *_, channels = images.shape
    u = jax.random.uniform(key, (10, count))
    n = gaussian(u[7:])
    added = jnp.where(u[0] < p, BRIGHTNESS_STD * n[0], 0.0)
    factor = jnp.where(u[1] < p, jnp.exp2(CONTRAST_STD * n[1]), 1.0)
    flipped = (u[2] < p) & (u[5] < 0.5)
    if channels != 3:
        sign = jnp.where(flipped, -1.0, 1.0) if channels == 1 else 1.0
        return per_image(sign * factor) * (images + per_image(added))
    matrices = (
        saturation(jnp.where(u[4] < p, jnp.exp2(SATURATION_STD * n[2]), 1.0)),
        hue(jnp.where(u[3] < p, np.pi * (2 * u[6] - 1), 0.0)),
        luma_flip(flipped),
        contrast(factor),
        brightness(added),
    )
    return recolored(images, compose(*matrices))


def recolored(images: jax.Array, matrix: jax.Array) -> jax.Array:
    """[B, H, W, 3] through [B, 4, 4]."""
    m = matrix[:, None, None, :3]
    # By hand: exact where matrix products are not, and one pass over the images.
    return m[..., 3] + sum(m[..., i] * images[..., i, None] for i in range(3))
