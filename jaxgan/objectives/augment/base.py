"""What augmentations are made of, and what those of pictures share."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxgan.objectives.functions import Functions

Memory = dict[str, jax.Array]  # scalars


@dataclass(frozen=True, kw_only=True)
class Augmentation(Functions):
    """What happens to images, and what is remembered for it from turn to turn.

    apply: `(images, key, step) -> images`; with `memory` as a fourth where there is one.
    first, update: `() -> memory` before training, and after each turn of the discriminator
      `(memory, real_logits [B], step) -> memory`; both or neither. A memory is a dict of scalars.
    logged: entries of the memory that are metrics.
    """

    apply: Callable[..., jax.Array]
    first: Callable[..., Memory] | None = None
    update: Callable[..., Memory] | None = None
    logged: tuple[str, ...] = ()


def require_pictures(name: str, images: jax.Array) -> None:
    """Raises ValueError where the images are no pictures [B, H, W, C]."""
    if images.ndim != 4:
        raise ValueError(
            f"augment.{name} is of pictures [B, H, W, C]; got {images.shape} "
            "(augment.instance_noise is of images of any shape)"
        )


def per_image(values: jax.Array) -> jax.Array:
    """One value an image, [B], against all of its pixels: [B, 1, 1, 1]."""
    return values[:, None, None, None]


def gaussian(draws: jax.Array) -> jax.Array:
    """Draws uniform in [0, 1) as normal ones; a second generator would be compiled for longer."""
    least = jnp.nextafter(jnp.array(-1.0, draws.dtype), 0.0)
    return math.sqrt(2) * jax.scipy.special.erfinv(jnp.maximum(2.0 * draws - 1.0, least))


def mirrored(index, size: int, xp=jnp):
    """Positions on the line as positions in [0, size - 1], mirrored at the first and last sample.

    index: integers or floats of any shape. xp: numpy for constants.
    """
    last = size - 1
    if not last:
        return xp.zeros_like(index)
    return last - xp.abs(xp.mod(index, 2 * last) - last)


def shifted(images: jax.Array, shifts: jax.Array, reach: tuple[int, int], mode: str) -> jax.Array:
    """Each picture moved down and right by whole pixels. shifts: int [2, B], at most `reach`.

    mode: of `jnp.pad`, what comes in at the border.
    """
    padded = jnp.pad(images, ((0, 0), *((r, r) for r in reach), (0, 0)), mode=mode)

    def move(picture, down, right):
        begin = (reach[0] - down, reach[1] - right, jnp.zeros_like(down))
        return jax.lax.dynamic_slice(picture, begin, images.shape[1:])

    return jax.vmap(move)(padded, *shifts)
