"""Vendi score: the effective number of different samples (Friedman & Dieng 2023)."""

import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import matrix
from jaxgan.metrics.linalg import EPS, eigenvalues


def vendi_score(features, q: float = 1.0) -> float:
    """exp of the entropy of the eigenvalues of K / N, with K the cosines of `features` [N, d].

    Between 1, all samples alike, and min(N, d). K has the eigenvalues of the d x d matrix of inner
    products of columns, and the smaller of the two is decomposed, in float64 on the host.

    q: the order of the entropy, above 0 (Pasarkar & Dieng 2024): 1 is Shannon's, `inf` counts the
    most common kind alone, and small orders give weight to rare ones.

    Raises:
      UsageError: NaN, infinity, a sample of norm 0 (which has no direction), or q not above 0.
    """
    if not q > 0:
        raise UsageError(f"q must be above 0; got {q}")
    unit = matrix("features", features).astype(np.float64)
    norms = np.linalg.norm(unit, axis=1, keepdims=True)
    if not norms.all():
        raise UsageError(f"features has a sample of norm 0, number {norms.argmin()}")
    unit /= norms
    gram = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    values = eigenvalues(gram / len(unit))
    # Rounding leaves values of either sign in place of 0; small orders would count them.
    values = values[values > len(gram) * EPS * values[-1]]
    if q == 1.0:
        return float(np.exp(-np.sum(values * np.log(values))))
    if q == np.inf:
        return float(1.0 / values[-1])
    return float(np.sum(values**q) ** (1.0 / (1.0 - q)))
