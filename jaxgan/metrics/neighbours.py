"""Fidelity and diversity apart: precision, recall, density and coverage by nearest neighbours.

The support of a set of features is taken to be the union of balls around its samples, each reaching
to the k-th nearest other sample of the set.

    precision: the share of fakes in some real ball   (Kynkäänniemi et al. 2019, eq. 1 and 2)
    recall:    the share of reals in some fake ball
    density:   the number of real balls a fake is in, over k, on average  (Naeem et al. 2020, eq. 3)
    coverage:  the share of real balls with a fake in them                (Naeem et al. 2020, eq. 4)

All depend on the numbers of samples; compare at equal ones, 10,000 of each as a rule. Density and
coverage of two samples of one population expect 1 and 1 - (1/2)^k about.
"""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import unknown
from jaxgan.metrics.distances import Balls, balls, nearest_others
from jaxgan.metrics.inputs import at_least, matrices


class Convention(NamedTuple):
    k: int
    closed: bool  # a ball holds its surface


CONVENTIONS = {
    "stylegan": Convention(3, True),  # Kynkäänniemi et al.; torch-fidelity too
    "prdc": Convention(5, False),  # Naeem et al.
}


class PrecisionRecall(NamedTuple):
    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    density: float
    coverage: float


class PRDC(NamedTuple):
    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(
    real, fake, *, k: int | None = None, convention: str = "stylegan"
) -> PrecisionRecall:
    """Precision and recall of `fake` [M, d] against `real` [N, d], both in [0, 1].

    Args:
      real, fake: features; more than k of each.
      k: the neighbour that a ball reaches to; the convention's where None.
      convention: "stylegan" has k = 3 and balls with their surface (`<=`), "prdc" k = 5 without
        (`<`).
    """
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    default, closed = CONVENTIONS[convention]
    k = default if k is None else k
    real, fake = _samples(real, fake, k, least_fake=k + 1)
    of_real, of_fake = balls(real, fake, _radii(real, k), _radii(fake, k), closed=closed)
    return _precision_recall(of_real, of_fake)


def density_coverage(real, fake, *, k: int = 5) -> DensityCoverage:
    """Density (at least 0, may pass 1) and coverage (in [0, 1]) of `fake` [M, d], `real` [N, d].

    More than k reals are needed and one fake. Balls are open (`<`), as in the authors' code.
    """
    real, fake = _samples(real, fake, k, least_fake=1)
    of_real, _ = balls(real, fake, _radii(real, k), closed=False)
    return _density_coverage(of_real, k)


def prdc(real, fake, *, k: int = 5) -> PRDC:
    """All four of `fake` [M, d] against `real` [N, d] at once, as the package prdc has them.

    The values of `precision_recall(..., convention="prdc")` and `density_coverage`, from one search
    of neighbours: for the time of the former.
    """
    real, fake = _samples(real, fake, k, least_fake=k + 1)
    of_real, of_fake = balls(real, fake, _radii(real, k), _radii(fake, k), closed=False)
    return PRDC(*_precision_recall(of_real, of_fake), *_density_coverage(of_real, k))


def _precision_recall(of_real: Balls, of_fake: Balls) -> PrecisionRecall:
    return PrecisionRecall(float(np.mean(of_real.around > 0)), float(np.mean(of_fake.around > 0)))


def _density_coverage(of_real: Balls, k: int) -> DensityCoverage:
    return DensityCoverage(float(np.mean(of_real.around) / k), float(np.mean(of_real.within > 0)))


def _samples(real, fake, k: int, least_fake: int):
    at_least("k", k, 1)
    real, fake = matrices(real=real, fake=fake)
    at_least("the number of samples of real", len(real), k + 1)
    at_least("the number of samples of fake", len(fake), least_fake)
    return real, fake


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    return nearest_others(features, k).distances[:, -1]
