"""Image-space filtering of ADA: frequency bands made stronger and weaker."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.objectives.augment.base import gaussian, mirrored, per_image
from jaxgan.objectives.augment.warp import along

GAIN_STD = 1.0  # of log2
POWER = np.float32([10, 1, 1, 1]) / 13  # expected in each band, of natural images
_ROOT = np.sqrt(3)
# The low-pass filter of sym2 (Daubechies' D4), in closed form.
SYM2 = np.array([1 + _ROOT, 3 + _ROOT, 3 - _ROOT, 1 - _ROOT]) / (4 * np.sqrt(2))


@cache
def filter_bank() -> np.ndarray:
    """[4, 43], symmetric, from low to high: up to pi/8, pi/4, pi/2 and pi. They add up to 1.

    Karras et al. 2020, appendix B.2: with L = H(z) H(1/z) / 2 of sym2 and R = L(-z), L + R = 1,
    the bands are L(z) L(z^2) L(z^4), L(z) L(z^2) R(z^4), L(z) R(z^2) and R(z).
    """
    low = np.convolve(SYM2, SYM2[::-1]) / 2
    high = low * (-1.0) ** (np.arange(len(low)) - len(low) // 2)
    bands, lower = [], np.ones(1)
    for octave in range(3):
        bands.append(np.convolve(lower, spread(high, 2**octave)))
        lower = np.convolve(lower, spread(low, 2**octave))
    bands.append(lower)
    pads = [(len(lower) - len(band)) // 2 for band in bands]
    return np.stack([np.pad(b, n) for b, n in zip(bands, pads, strict=True)])[::-1]


def spread(taps: np.ndarray, step: int) -> np.ndarray:
    """The filter of z^step: zeros between the taps."""
    spaced = np.zeros((len(taps) - 1) * step + 1)
    spaced[::step] = taps
    return spaced


@cache
def band_matrices(size: int) -> np.ndarray:
    """[4, size, size]: each band's filter on a line with mirrored ends."""
    bank = filter_bank()
    matrices = np.zeros((len(bank), size, size))
    for row in range(size):
        for tap in range(bank.shape[1]):
            column = mirrored(row + tap - bank.shape[1] // 2, size, np)
            matrices[:, row, column] += bank[:, tap]
    return matrices.astype(np.float32)


def filter_bands(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """Each band times 2^N(0, 1) with probability p, along both axes. Karras et al. 2020, app. B.

    Each time all bands are scaled so that the power expected of natural images stays.
    """
    count, height, width, _ = images.shape
    u = jax.random.uniform(key, (2, count, 4))
    happens = u[0] < p
    own = jnp.where(happens, jnp.exp2(GAIN_STD * gaussian(u[1])), 1.0)
    filtered = amplified(images, gains_of(own))
    return jnp.where(per_image(jnp.any(happens, axis=1)), filtered, images)


def gains_of(own: jax.Array) -> jax.Array:
    """All bands' gains [B, 4] of each band's own, which take effect one after the other."""
    # Of band i alone, the expected power grows by 1 + POWER[i] (own[i]^2 - 1).
    growth = jnp.sqrt(1.0 + POWER * (own**2 - 1.0))
    return own / jnp.prod(growth, axis=1, keepdims=True)


def amplified(images: jax.Array, gains: jax.Array) -> jax.Array:
    """[B, H, W, C] with its bands times `gains`, [B, 4]."""
    weigh = lambda size: jnp.einsum(
        "bk,kij->bij", gains, band_matrices(size), precision=jax.lax.Precision.HIGHEST
    )
    return along(images, weigh(images.shape[1]), weigh(images.shape[2]))
