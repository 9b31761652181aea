"""Image-space corruptions of ADA: noise and cutout (Karras et al. 2020, appendix B)."""

import jax
import jax.numpy as jnp

from jaxgan.objectives.augment.base import gaussian, per_image

NOISE_STD = 0.1
CUTOUT_SIZE = 0.5  # of each side


def add_noise(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """With probability p N(0, sigma^2) on every value, sigma of each image |N(0, 0.1^2)|."""
    count = len(images)
    key_scale, key_noise = jax.random.split(key)
    u = jax.random.uniform(key_scale, (2, count))
    sigma = jnp.where(u[0] < p, NOISE_STD * jnp.abs(gaussian(u[1])), 0.0)
    noise = jax.random.normal(key_noise, images.shape, images.dtype)
    return images + per_image(sigma).astype(images.dtype) * noise


def cut_out(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """With probability p 0 in a rectangle of half the sides, its centre anywhere in the image."""
    count, *sides, _ = images.shape
    happens, *centre = jax.random.uniform(key, (3, count))
    sides = jnp.array(sides)[:, None]
    half = jnp.where(happens < p, CUTOUT_SIZE / 2, 0.0)
    centre = jnp.stack(centre)
    # Pixel i has its middle at i + 1/2.
    begin = jnp.ceil((centre - half) * sides - 0.5)
    end = jnp.ceil((centre + half) * sides - 0.5)
    return blank(images, begin, end)


def blank(images: jax.Array, begin: jax.Array, end: jax.Array) -> jax.Array:
    """0 in rows and columns from `begin` to before `end`, [2, B] each."""
    inside = []
    for side, first, after in zip(images.shape[1:3], begin, end, strict=True):
        index = jnp.arange(side)
        inside.append((index >= first[:, None]) & (index < after[:, None]))
    rows, columns = inside
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, images)
