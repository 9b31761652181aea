"""Decompositions in float64 on the host, each on one BLAS thread.

OpenBLAS, which NumPy's wheels bring, lets its threads wait for one another by spinning, some
thousand times in one decomposition. Where another program wants the cores, that wait costs a time
slice each: at 2048 x 2048 on 2 busy cores, 15 s for `eigvalsh` with two threads and 0.6 s with one.
On idle cores the second thread gains little, because half of the work is bound by memory.
"""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

EPS = np.finfo(np.float64).eps

# Made once: it reads the list of all that the process has mapped, some 2 ms.
_controller = cache(ThreadpoolController)


def _one_thread():
    return _controller().limit(limits=1, user_api="blas")


def singular_values(a: np.ndarray) -> np.ndarray:
    with _one_thread():
        return np.linalg.svd(a, compute_uv=False)


def eigenvalues(a: np.ndarray) -> np.ndarray:
    """Of a symmetric matrix, ascending."""
    with _one_thread():
        return np.linalg.eigvalsh(a)


def factor(a: np.ndarray) -> np.ndarray | None:
    """F [d, r] with F F^T = a [d, d], r the rank to rounding; None where `a` is not semidefinite.

    A positive definite matrix takes Cholesky's factorization, ten times as quick as eigenvectors,
    which a singular one needs. An eigenvalue within rounding of 0 is then taken for 0: kept as
    noise of 1e-16 of the largest, it would add 1e-8 of it to a trace of square roots. (Rounding may
    let Cholesky pass over one or two such; hundreds, as n < d samples leave, never.)
    """
    with _one_thread():
        try:
            return np.linalg.cholesky(a)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(a)
    largest = np.abs(values).max()
    if values.min() < -1e-5 * largest:  # statistics kept as float32 are off by about 1e-7
        return None
    kept = values > 4 * len(a) * EPS * largest
    return vectors[:, kept] * np.sqrt(values[kept])
