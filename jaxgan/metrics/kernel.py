"""Kernel distance (KID): squared maximum mean discrepancy under a polynomial kernel.

Bińkowski et al. 2018, sec. 4, with the kernel and the unbiased estimator of Gretton et al. 2012,
eq. 3:

    k(x, y) = (gamma x.y + coef)^degree,   degree 3, gamma 1/d, coef 1                      (1)
    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean k(x_i, y_j)      (2)

Of two samples of one population (2) averages 0, so single values may be negative. Kernels are
float32 on the device. A constant is taken from all of them before they are summed, which leaves
(2) as it is and its rounding small; the sums of rows are added in float64.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import Rng, at_least, generator, matrices, row_blocks

BLOCK = 512  # rows and columns of the kernels that are held at a time


class KernelDistance(NamedTuple):
    """mean and std (ddof 0) over the subsets; standard_error = std / sqrt(subsets)."""

    mean: float
    std: float
    standard_error: float


class KernelDistanceFull(NamedTuple):
    value: float
    standard_error: float


def kernel_distance(
    x,
    y,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    rng: Rng = 0,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
) -> KernelDistance:
    """Eq. 2 on random subsets of `x` [N, d] and `y` [M, d]: KID as it is usually reported.

    Each subset draws `subset_size` rows of x, then as many of y, without replacement within itself
    by `rng.choice`; with `rng=numpy.random.RandomState(2020)` they are torch-fidelity's. Subsets
    share samples, so the standard error tells the noise of the drawing, not that of `x` and `y`;
    `kernel_distance_full` tells the latter.

    Raises:
      UsageError: fewer than `subset_size` samples.
    """
    x, y = matrices(x=x, y=y)
    at_least("subsets", subsets, 1)
    at_least("subset_size", subset_size, 2)
    if min(len(x), len(y)) < subset_size:
        raise UsageError(
            f"x has {len(x)} samples and y {len(y)}; subset_size={subset_size} needs as many"
        )
    rng, kernel = generator(rng), _kernel(x, degree, gamma, coef)
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    values = []
    for _ in range(subsets):
        chosen = [rng.choice(len(rows), subset_size, replace=False) for rows in (x, y)]
        values.append(_discrepancy(*_row_sums(x[chosen[0]], y[chosen[1]], kernel)))
    std = float(np.std(values))
    return KernelDistance(float(np.mean(values)), std, std / subsets**0.5)


def kernel_distance_full(
    x, y, *, degree: int = 3, gamma: float | None = None, coef: float = 1.0
) -> KernelDistanceFull:
    """Eq. 2 on all of `x` [N, d] and `y` [M, d], in blocks: less noise than any set of subsets.

    The standard error is that of the estimate over fresh draws of x and y, to first order
    (Hoeffding 1948): with a_i = mean_j k(x_i, x_j) - mean_j k(x_i, y_j) and b_j alike,
    4 var(a) / N + 4 var(b) / M. Where the populations are equal the first order is 0, and it says
    too little.
    """
    x, y = matrices(x=x, y=y, least=2)
    kernel = _kernel(x, degree, gamma, coef)
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    xx, yy, xy, yx = sums = _row_sums(x, y, kernel)
    a = xx / (len(x) - 1) - xy / len(y)
    b = yy / (len(y) - 1) - yx / len(x)
    variance = 4.0 * (a.var(ddof=1) / len(x) + b.var(ddof=1) / len(y))
    return KernelDistanceFull(_discrepancy(*sums), float(np.sqrt(variance)))


def _kernel(x: np.ndarray, degree: int, gamma: float | None, coef: float) -> tuple:
    at_least("degree", degree, 1)
    return degree, float(1.0 / x.shape[1] if gamma is None else gamma), float(coef)


def _row_sums(x: jax.Array, y: jax.Array, kernel: tuple) -> tuple[np.ndarray, ...]:
    """Sums of k - c over other rows of one's own set and over the other set: xx, yy, xy, yx.

    float64, of shapes [N], [M], [N], [M]; c is some typical kernel.
    """
    few = slice(min(64, len(x), len(y)))
    constant = jnp.mean(_values(x[few], y[few], *kernel))

    def sums(a, b, within=False):
        rows, columns = np.zeros(len(a)), np.zeros(len(b))
        for i in row_blocks(len(a), BLOCK):
            for j in row_blocks(len(b), BLOCK):
                if within and j.start < i.start:
                    continue  # symmetric: its mirror has counted it
                own = within and i == j
                of_rows, of_columns = _block_sums(a[i], b[j], constant, *kernel, own)
                rows[i] += np.asarray(of_rows, np.float64)
                if not own:
                    columns[j] += np.asarray(of_columns, np.float64)
        return rows, columns

    xx, yy = (sum(sums(rows, rows, within=True)) for rows in (x, y))
    xy, yx = sums(x, y)
    if not np.isfinite([xx.sum(), yy.sum(), xy.sum()]).all():
        raise UsageError("x or y is too large for a kernel in float32; scale both down")
    return xx, yy, xy, yx


def _values(x, y, degree, gamma, coef):
    """Eq. 1, [N, M]."""
    return (gamma * jnp.matmul(x, y.T, precision="highest") + coef) ** degree


@functools.partial(jax.jit, static_argnames=("degree", "own"))
def _block_sums(x, y, constant, degree, gamma, coef, own):
    """Sums by row and by column of k - constant; without the diagonal where y is x's own rows."""
    values = _values(x, y, degree, gamma, coef) - constant
    if own:
        values = jnp.where(jnp.eye(len(x), dtype=bool), 0.0, values)
    return values.sum(axis=1), values.sum(axis=0)


def _discrepancy(xx, yy, xy, yx) -> float:
    """Eq. 2 from the sums of rows."""
    n, m = len(xx), len(yy)
    return float(xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2.0 * xy.sum() / (n * m))
