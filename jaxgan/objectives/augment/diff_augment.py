"""DiffAugment (Zhao et al. 2020): colour, translation and cutout, of every image."""

import jax
import jax.numpy as jnp

from jaxgan.objectives.augment.base import per_image, require_pictures, shifted
from jaxgan.objectives.augment.corrupt import blank
from jaxgan.objectives.precision import at_least_float32


def diff_augment(
    images: jax.Array,
    key: jax.Array,
    step: jax.Array | int,
    *,
    color: bool = True,
    translation: float = 0.125,
    cutout: float = 0.5,
) -> jax.Array:
    """Zhao et al. 2020, sec. 4 and the authors' settings; of every image, each by itself.

    color: brightness, x + U(-0.5, 0.5); saturation, each pixel's distance from its mean over
      channels times U(0, 2), nothing to grey images; contrast, the distance from the image's mean
      times U(0.5, 1.5). Values may leave [-1, 1].
    translation: by up to this share of each side, whole pixels, uniformly; 0 comes in. 0: off.
    cutout: 0 in a rectangle with this share of each side, its centre anywhere. 0: off.

    Raises ValueError where a share is not in [0, 1].
    """
    require_pictures("diff_augment", images)
    for name, share in (("translation", translation), ("cutout", cutout)):
        if not 0 <= share <= 1:
            raise ValueError(f"augment.diff_augment.{name} must be in [0, 1]; got {share}")
    count, *sides, _ = images.shape
    draws = jax.random.uniform(key, (7, count))
    x = at_least_float32(images)
    if color:
        x = recolored(x, *draws[:3])
    if translation:
        reach = tuple(int(side * translation + 0.5) for side in sides)
        steps = [whole(u, 2 * r + 1) - r for u, r in zip(draws[3:5], reach, strict=True)]
        x = shifted(x, jnp.stack(steps), reach, "constant")
    if cutout:
        sizes = tuple(int(side * cutout + 0.5) for side in sides)
        # A centre lies on a pixel, or between two where the rectangle has an even side.
        centres = zip(draws[5:], sides, sizes, strict=True)
        begin = jnp.stack([whole(u, side + 1 - n % 2) - n // 2 for u, side, n in centres])
        x = blank(x, begin, begin + jnp.array(sizes)[:, None])
    return x.astype(images.dtype)


def recolored(x: jax.Array, bright: jax.Array, rich: jax.Array, strong: jax.Array) -> jax.Array:
    """Brightness, saturation and contrast, in this order, by three draws [B] in [0, 1)."""
    x = x + per_image(bright - 0.5)
    if x.shape[-1] > 1:
        grey = jnp.mean(x, axis=-1, keepdims=True)
        x = grey + per_image(2.0 * rich) * (x - grey)
    mean = jnp.mean(x, axis=(1, 2, 3), keepdims=True)
    return mean + per_image(strong + 0.5) * (x - mean)


def whole(draws: jax.Array, count: int) -> jax.Array:
    """Draws in [0, 1) as integers from 0 to count - 1."""
    # A draw of just below 1 times a count may round up to the count.
    return jnp.minimum(jnp.floor(draws * count).astype(jnp.int32), count - 1)
