"""How many modes of a known distribution a generator has found, and how evenly."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import matrices


class ModeCounts(NamedTuple):
    """How samples spread over modes.

    modes: that have a sample of high quality. high_quality: the share of such samples, in [0, 1].
    reverse_kl: KL(samples || uniform) over the modes, each sample counted for the nearest one, in
      nats, 0 to log K. forward_kl: KL(uniform || samples), with one sample added to each mode.
    """

    modes: int
    high_quality: float
    reverse_kl: float
    forward_kl: float


def mode_counts(samples, centres, sigma: float) -> ModeCounts:
    """The modes `centres` [K, d] that `samples` [N, d] have found.

    A sample is of high quality within 3 sigma of the nearest centre; a mode is found when it has
    one such sample (Srivastava et al. 2017, sec. 4.1; Lin et al. 2018, sec. 4.1).
    """
    samples, centres = matrices(samples=samples, centres=centres)
    if not sigma > 0:
        raise UsageError(f"sigma must be positive; got {sigma}")
    counts = _counts(jnp.asarray(samples, jnp.float32), jnp.asarray(centres, jnp.float32), sigma)
    all_counts, good_counts = np.asarray(counts, np.float64)
    reverse, forward = divergences(all_counts)
    return ModeCounts(
        int(np.count_nonzero(good_counts)),
        float(good_counts.sum() / len(samples)),
        reverse,
        forward,
    )


def divergences(counts) -> tuple[float, float]:
    """KL(counts || uniform) and KL(uniform || counts + 1), in nats, of counts [K]."""
    counts = np.asarray(counts, np.float64)
    shares = counts / counts.sum()
    reverse = float(np.sum(shares * np.log(np.where(shares > 0, shares, 1.0) * len(shares))))
    smooth = (counts + 1) / (counts.sum() + len(counts))
    return max(0.0, reverse), float(-np.mean(np.log(smooth * len(counts))))


@jax.jit
def _counts(samples, centres, sigma):
    """Samples nearest to each centre, [K], and those of them of high quality."""
    # Differences, a centre at a time: |x|^2 - 2 x.y + |y|^2 would lose the digits of a small sigma.
    squared = jax.lax.map(lambda centre: jnp.sum((samples - centre) ** 2, axis=1), centres).T
    nearest = jax.nn.one_hot(jnp.argmin(squared, axis=1), len(centres))
    good = squared.min(axis=1) <= (3 * sigma) ** 2
    return nearest.sum(axis=0), (nearest * good[:, None]).sum(axis=0)
