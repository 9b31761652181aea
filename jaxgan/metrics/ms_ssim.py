"""Structural similarity of images at several scales (Wang et al. 2003), and diversity by it.

At each scale, with local means m, variances v and covariance c under a Gaussian window:

    l = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)        luminance                           (1)
    cs = (2 c_xy + C2) / (v_x + v_y + C2)              contrast and structure              (2)

averaged over positions and channels; MS-SSIM is the product of cs^w over the scales, with l too at
the coarsest, each scale the mean of 2 x 2 pixels of the one before. C1 = (0.01 L)^2,
C2 = (0.03 L)^2, with L the width of the range of pixels, and means are counted from its lower end:
images in [-1, 1] score as the same ones in [0, 255].
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import Rng, at_least, generator

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, sec. 3.2
BATCH = 64  # pairs compared at a time


class Diversity(NamedTuple):
    """Mean similarity over pairs, and its standard error."""

    mean: float
    standard_error: float


def ms_ssim(
    x: jax.Array,
    y: jax.Array,
    *,
    weights: tuple[float, ...] = WEIGHTS,
    window: int = 11,
    sigma: float = 1.5,
    limits: tuple[float, float] = (-1.0, 1.0),
) -> jax.Array:
    """MS-SSIM of each pair, [B]: 1 for equal images, near 0 for unrelated ones.

    Args:
      x, y: images [B, H, W, C] within `limits`, with sides of at least 2^(scales - 1).
      weights: the exponents of the scales, finest first; `(1.0,)` is plain SSIM.
      window, sigma: of the Gaussian, in pixels. Where an image has become smaller than the window,
        as one of 32 pixels does at the second of five scales, the window shrinks to the image and
        sigma with it; most reported scores of small images were made so. Scores of different sizes
        of image do not compare.
      limits: the least and the greatest pixel value.

    A negative mean of (2), for which a fractional power is undefined, counts as 0.

    Raises:
      UsageError: shapes that differ or images too small for the scales.
    """
    if x.ndim != 4 or x.shape != y.shape:
        raise UsageError(f"x and y must both be [B, H, W, C]; got {x.shape} and {y.shape}")
    least = 2 ** (len(weights) - 1)
    if min(x.shape[1:3]) < least:
        raise UsageError(
            f"images of {x.shape[1]} x {x.shape[2]} pixels are too small for {len(weights)} "
            f"scales, which need {least}; give fewer weights"
        )
    return _ms_ssim(jnp.asarray(x), jnp.asarray(y), tuple(weights), window, sigma, tuple(limits))


def ms_ssim_diversity(images, *, pairs: int = 1000, rng: Rng = 0, **settings) -> Diversity:
    """Mean MS-SSIM over random pairs of different images (Odena et al. 2017): lower, more diverse.

    images: [N, H, W, C], N >= 2, as a rule of one class, or as many real images for comparison.
    settings: those of `ms_ssim`.
    """
    images = np.asarray(images)
    if images.ndim != 4 or len(images) < 2:
        raise UsageError(f"images must be [N, H, W, C] with N at least 2; got {images.shape}")
    if not np.isfinite(images).all():
        raise UsageError("images holds NaN or infinity")
    at_least("pairs", pairs, 2)
    rng = generator(rng)
    first = rng.choice(len(images), pairs)
    # An offset of 1 to N - 1 around the circle makes every other image equally likely.
    second = (first + 1 + rng.choice(len(images) - 1, pairs)) % len(images)
    values = []
    for start in range(0, pairs, BATCH):
        chosen = slice(start, start + BATCH)
        values.append(
            np.asarray(ms_ssim(images[first[chosen]], images[second[chosen]], **settings))
        )
    values = np.concatenate(values).astype(np.float64)
    return Diversity(float(values.mean()), float(values.std(ddof=1) / pairs**0.5))


@functools.partial(jax.jit, static_argnames=("weights", "window", "sigma", "limits"))
def _ms_ssim(x, y, weights, window, sigma, limits):
    low, high = limits
    # About the middle of the range, where E x^2 - (E x)^2 cancels fewest digits.
    x, y = (image.astype(jnp.float32) - (low + high) / 2 for image in (x, y))
    total = jnp.ones(len(x))
    for scale, weight in enumerate(weights):
        if scale:
            x, y = _halve(x), _halve(y)
        luminance, structure = _ssim(x, y, window, sigma, high - low)
        mean = structure if scale < len(weights) - 1 else luminance * structure
        total *= jnp.maximum(0.0, mean.mean(axis=(1, 2, 3))) ** weight
    return total


def _halve(x):
    """Mean of 2 x 2 pixels; an odd last row or column is left out."""
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def _ssim(x, y, window, sigma, span):
    """Eq. 1 and 2 at every position, of images in [-span / 2, span / 2]."""
    rows, columns = (_blur(side, window, sigma) for side in x.shape[1:3])

    def local(image):
        return jnp.einsum("hH,wW,bHWc->bhwc", rows, columns, image, precision="highest")

    mean_x, mean_y = local(x), local(y)
    variances = local(x**2 + y**2) - mean_x**2 - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    mean_x, mean_y = mean_x + span / 2, mean_y + span / 2
    luminance = (2.0 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2.0 * covariance + c2) / (variances + c2)


def _blur(side: int, window: int, sigma: float) -> np.ndarray:
    """The Gaussian window at each place where it fits in `side` pixels, [side - window + 1, side].

    As a matrix, since two small products are quicker than a depthwise convolution on every device.
    """
    size = min(window, side)
    offsets = np.arange(size) - (size - 1) / 2
    weights = np.exp(-0.5 * (offsets / (sigma * size / window)) ** 2)
    places = np.arange(side - size + 1)[:, None] + np.arange(size)
    matrix = np.zeros((len(places), side))
    np.put_along_axis(
        matrix, places, np.broadcast_to(weights / weights.sum(), places.shape), axis=1
    )
    return matrix.astype(np.float32)
