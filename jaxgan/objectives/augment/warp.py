"""Affine warps without aliasing: up by two, bilinear in between, down by two.

Karras et al. 2020, appendix B.2. Both resamplings are by the orthogonal filter sym6, so that down
undoes up, and what is not moved, or by whole pixels, comes back as it was. They are products with
constant banded matrices, which hold the mirrored border too and are fast on every device in every
derivative; only the bilinear sampling gathers. Positions outside are folded back into the
picture, which mirrors its border without end, at no cost of memory and in static shapes.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.objectives.augment.base import mirrored

# The low-pass filter of sym6, Daubechies' least asymmetric wavelet with six vanishing moments.
SYM6 = np.array([
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
])  # fmt: skip
# On a straight line of samples n, sample m of the fine one is exactly (m - DELAY) / 2.
DELAY = float(np.arange(len(SYM6)) @ SYM6 / SYM6.sum())
MARGIN = len(SYM6) - 2  # fine samples beyond twice the size on which samples inside depend


@cache
def up_matrix(size: int) -> np.ndarray:
    """[2 size + MARGIN, size]: the fine samples of a line with mirrored ends."""
    matrix = np.zeros((2 * size + MARGIN, size))
    for m in range(len(matrix)):
        for tap, weight in enumerate(SYM6):
            if (m - tap) % 2 == 0:
                matrix[m, mirrored((m - tap) // 2, size, np)] += np.sqrt(2) * weight
    return matrix.astype(np.float32)


@cache
def down_matrix(size: int) -> np.ndarray:
    """[size, 2 size + MARGIN]: the line of which these are the fine samples."""
    matrix = np.zeros((size, 2 * size + MARGIN))
    for n in range(size):
        matrix[n, 2 * n : 2 * n + len(SYM6)] = SYM6 / np.sqrt(2)
    return matrix.astype(np.float32)


def along(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Matrices [I, H] and [J, W], or one of each an image, on the axes of [B, H, W, C]."""
    highest = jax.lax.Precision.HIGHEST  # an image is no place for bfloat16
    b = "b" if rows.ndim == 3 else ""
    images = jnp.einsum(f"{b}ih,bhwc->biwc", rows, images, precision=highest)
    return jnp.einsum(f"{b}jw,biwc->bijc", columns, images, precision=highest)


def warp(images: jax.Array, inverse: jax.Array) -> jax.Array:
    """The value at `inverse @ (x, y, 1)` for each pixel (x, y), counted from the centre.

    Args:
      images: float [B, H, W, C], mirrored at its borders without end.
      inverse: [B, 3, 3], affine.
    """
    _, height, width, _ = images.shape
    fine = along(images, up_matrix(height), up_matrix(width))
    y, x = (np.float32(np.arange(2 * n + MARGIN) - DELAY - n + 1) / 2 for n in (height, width))
    y, x = y[:, None], x[None]
    m = inverse[:, :2, :, None, None]
    from_x, from_y = (m[:, i, 0] * x + m[:, i, 1] * y + m[:, i, 2] for i in (0, 1))
    sampled = bilinear(fine, fine_index(from_y, height), fine_index(from_x, width))
    return along(sampled, down_matrix(height), down_matrix(width))


def fine_index(position: jax.Array, size: int) -> jax.Array:
    """Where among the fine samples a position is, counted from the centre of a line."""
    position = position + (size - 1) / 2
    index = 2 * position + DELAY
    there = (index >= 0) & (index <= 2 * size + MARGIN - 1)
    return jnp.where(there, index, 2 * mirrored(position, size) + DELAY)


def bilinear(images: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    """[B, H, W, C] at rows y and columns x, [B, I, J] in [0, H - 1] and [0, W - 1]."""
    count, height, width, channels = images.shape
    top = jnp.clip(jnp.floor(y), 0, height - 2)
    left = jnp.clip(jnp.floor(x), 0, width - 2)
    down, right = (y - top)[..., None], (x - left)[..., None]
    flat = images.reshape(count, height * width, channels)
    corner = top.astype(jnp.int32) * width + left.astype(jnp.int32)

    def at(offset):
        index = (corner + offset).reshape(count, -1, 1)
        return jnp.take_along_axis(flat, index, axis=1, mode="clip").reshape(
            *corner.shape, channels
        )

    upper = (1 - right) * at(0) + right * at(1)
    lower = (1 - right) * at(width) + right * at(width + 1)
    return (1 - down) * upper + down * lower
