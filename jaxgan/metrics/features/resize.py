"""The resizes that protocols of evaluation prescribe, and the rounding to bytes before them.

A filter makes one matrix [out, in] per axis, on the host in float64; resizing is two products with
such matrices. The protocols differ in nothing but these numbers, and by them whole points of FID.
"""

import functools
import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import unknown


def _two_taps(sources: np.ndarray, size: int) -> np.ndarray:
    """Linear interpolation at `sources`, places in 0 to size - 1."""
    low = np.floor(sources).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((len(sources), size))
    rows = np.arange(len(sources))
    np.add.at(matrix, (rows, low), 1 - (sources - low))
    np.add.at(matrix, (rows, high), sources - low)
    return matrix


def tf1(size: int, out: int) -> np.ndarray:
    """TensorFlow 1's bilinear, as in the Inception graph: the source of i is i * size / out.

    In float32, as there. Nothing is averaged when the image shrinks, and corners are not aligned.
    """
    sources = np.arange(out, dtype=np.float32) * (np.float32(size) / np.float32(out))
    return _two_taps(sources.astype(np.float64), size)


def half_pixel(size: int, out: int) -> np.ndarray:
    """Bilinear between the pixels' centres, without antialiasing: PyTorch's `interpolate`.

    The sources in float32, as there: float64 is up to 5e-4 away, on images in 0 to 255.
    """
    half = np.float32(0.5)
    sources = (np.arange(out, dtype=np.float32) + half) * np.float32(size / out) - half
    return _two_taps(np.clip(sources.astype(np.float64), 0, size - 1), size)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1 - np.abs(x))


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys 1981, eq. 15 with a = -1/2."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def _pillow(size: int, out: int, *, kernel: Callable, support: float) -> np.ndarray:
    """Pillow's `Image.resize`: where the image shrinks, the filter grows with the factor."""
    scale = size / out
    stretch = max(scale, 1.0)
    matrix = np.zeros((out, size))
    for i in range(out):
        centre = (i + 0.5) * scale
        first = max(0, math.floor(centre - support * stretch + 0.5))
        last = min(size, math.floor(centre + support * stretch + 0.5))
        weights = kernel((np.arange(first, last) + 0.5 - centre) / stretch)
        matrix[i, first:last] = weights / weights.sum()
    return matrix


# (size, out) -> float64 [out, size]; the rows sum to 1
RESIZES: dict[str, Callable[[int, int], np.ndarray]] = {
    "tf1": tf1,
    "half_pixel": half_pixel,
    "pil_bilinear": functools.partial(_pillow, kernel=_triangle, support=1.0),
    "pil_bicubic": functools.partial(_pillow, kernel=_cubic, support=2.0),
    "pil_lanczos": functools.partial(_pillow, kernel=_lanczos, support=3.0),
}


def resize(images: jax.Array, size: int, filter: str) -> jax.Array:
    """Images [B, H, W, C], float32, to [B, size, size, C] by a filter of `RESIZES`; traceable.

    Cubic and Lanczos filters overshoot the range of the images; nothing is clipped here. Of images
    in 0 to 255 the result is within 1e-4 of Pillow's mode F and of TensorFlow 1's resize, and
    within 1e-3 of PyTorch's `interpolate`, whose builds differ by half of that.

    Raises:
      UsageError: unknown filter.
    """
    chex.assert_rank(images, 4)
    if filter not in RESIZES:
        raise unknown("resize", filter, RESIZES)
    height, width = images.shape[1:3]
    if width != size:
        across = jnp.asarray(RESIZES[filter](width, size), jnp.float32)
        images = jnp.einsum("bhwc,ow->bhoc", images, across, precision="highest")
    if height != size:
        down = jnp.asarray(RESIZES[filter](height, size), jnp.float32)
        images = jnp.einsum("bhwc,oh->bowc", images, down, precision="highest")
    return images


def quantize(images: jax.Array) -> jax.Array:
    """Images in [-1, 1] as uint8: floor(127.5 x + 128), clamped to 0..255, as StyleGAN writes."""
    return jnp.clip(jnp.floor(127.5 * images + 128), 0, 255).astype(jnp.uint8)
