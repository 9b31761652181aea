"""Fréchet distance of two sets of features, as Gaussians (Heusel et al. 2017, eq. 6).

    d^2 = |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))                                   (1)

With any factors S = F F^T the last trace is a nuclear norm, a sum of singular values:

    tr (S1 S2)^(1/2) = |F1^T F2|_*                                                        (2)

No matrix square root is taken, so none can fail or turn complex, and a singular value is right to
rounding, where the root of an eigenvalue that should be 0 is not. Centred features over
sqrt(n - ddof) are themselves such factors: with fewer samples than dimensions, no covariance is
needed. Everything is float64 on the host; in float32 (1) is wrong in its first decimal.
"""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import Rng, at_least, generator, matrices, matrix, row_blocks
from jaxgan.metrics.linalg import factor, singular_values

BLOCK = 4096  # rows that are widened to float64 at a time


class Moments(NamedTuple):
    """Mean and covariance of a stream of features, in float64, by exact merging (Chan et al. 1979).

    Start from `Moments.empty(d)` and `add` each batch; parts computed apart (on other hosts, say)
    `merge`. How the samples are cut into batches changes the result by rounding alone.

      count: samples seen.
      mean: [d].
      scatter: [d, d], the sum over samples of (x - mean)(x - mean)^T.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def empty(cls, features: int) -> "Moments":
        return cls(0, np.zeros(features), np.zeros((features, features)))

    def add(self, features, valid=None) -> "Moments":
        """With the samples of `features` [B, d]; of those where `valid` [B] is true, if given.

        `valid` leaves out the rows that only fill up a last batch; what they hold, NaN too, does
        not matter.
        """
        if valid is not None:
            features = np.asarray(features)[np.asarray(valid, bool)]
        features = matrix("features", features, least=0)
        if features.shape[1] != len(self.mean):
            raise UsageError(
                f"features has {features.shape[1]} a sample; earlier ones {len(self.mean)}"
            )
        moments = self
        for rows in row_blocks(len(features), BLOCK):
            block = features[rows].astype(np.float64)
            mean = block.mean(axis=0)
            block -= mean
            moments = moments.merge(Moments(len(block), mean, block.T @ block))
        return moments

    def merge(self, other: "Moments") -> "Moments":
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        gap = other.mean - self.mean
        # In place on the first temporary: at d = 2048 each is 34 MB.
        scatter = np.outer(gap, gap * (self.count * other.count / count))
        scatter += self.scatter
        scatter += other.scatter
        return Moments(count, self.mean + gap * (other.count / count), scatter)

    def statistics(self, ddof: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Mean [d] and covariance [d, d]; divided by n - ddof, as in `numpy.cov`."""
        if self.count <= ddof:
            raise UsageError(f"features has {self.count} samples; ddof={ddof} needs {ddof + 1}")
        return self.mean, self.scatter / (self.count - ddof)


def statistics(features, ddof: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] and covariance [d, d] of `features` [N, d], in float64.

    ddof: 1 divides by N - 1, as nearly all published scores do; StyleGAN's have 0.
    """
    features = matrix("features", features, least=1)
    return Moments.empty(features.shape[1]).add(features).statistics(ddof)


def frechet_distance(mu1, sigma1, mu2, sigma2) -> float:
    """Eq. 1 of two Gaussians, squared as is usual; FID where the features are FID-Inception's.

    Args:
      mu1, mu2: means, [d].
      sigma1, sigma2: covariances, [d, d], symmetric and positive semidefinite; they may be
        singular.

    Raises:
      UsageError: shapes that do not fit, NaN or infinity, or no covariance.
    """
    first = _Factored.of_statistics(mu1, sigma1, ("mu1", "sigma1"))
    second = _Factored.of_statistics(mu2, sigma2, ("mu2", "sigma2"))
    return _distance(first, second)


def frechet_distance_from_features(x, y, *, ddof: int = 1) -> float:
    """Eq. 1 of the means and covariances of `x` [N, d] and `y` [M, d].

    Right also where N or M is less than d, and then quicker: eq. 2 with the centred samples for
    factors has singular values of min(N, M, d) by at most d products, and no covariance is made.
    Needs more than `ddof` samples in each.
    """
    x, y = matrices(x=x, y=y, least=ddof + 1)
    return _distance(_Factored.of_features(x, ddof), _Factored.of_features(y, ddof))


def frechet_distance_infinity(
    real, fake, *, points: int = 15, smallest: int = 5000, rng: Rng = 0, ddof: int = 1
) -> float:
    """The distance that infinitely many fakes would have, FD-infinity (Chong & Forsyth 2020).

    A distance of n fakes is biased upwards by nearly a / n, and a depends on the generator, so
    scores at equal n do not rank generators rightly. Here `points` random subsets of `fake` [M, d],
    with sizes evenly from `smallest` to M, are each measured against all of `real` [N, d]; the
    value at 1/n = 0 of the straight line through them is returned. The bias of the finite `real`
    stays. A good extrapolation may be slightly negative where the true distance is 0.
    """
    real, fake = matrices(real=real, fake=fake, least=ddof + 1)
    at_least("points", points, 2)
    at_least("smallest", smallest, ddof + 1)
    if len(fake) <= smallest:
        raise UsageError(f"fake has {len(fake)} samples; give more than smallest={smallest}")
    rng = generator(rng)
    target = _Factored.of_features(real, ddof)
    sizes = np.linspace(smallest, len(fake), points).astype(int)
    subsets = (fake[rng.choice(len(fake), size, replace=False)] for size in sizes)
    distances = [_distance(target, _Factored.of_features(subset, ddof)) for subset in subsets]
    _, intercept = np.polyfit(1.0 / sizes, distances, 1)
    return float(intercept)


class _Factored(NamedTuple):
    """A Gaussian by its mean [d] and a factor [d, r] of its covariance."""

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of_statistics(cls, mean, covariance, names: tuple[str, str]) -> "_Factored":
        mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
            raise UsageError(
                f"{names[0]} must be [d] and {names[1]} [d, d]; "
                f"got shapes {mean.shape} and {covariance.shape}"
            )
        for name, values in zip(names, (mean, covariance), strict=True):
            if not np.isfinite(values).all():
                raise UsageError(f"{name} holds NaN or infinity")
        largest = np.abs(covariance).max()
        if np.abs(covariance - covariance.T).max() > 1e-5 * largest:
            raise UsageError(f"{names[1]} is not symmetric, so it is no covariance")
        root = factor(covariance)
        if root is None:
            raise UsageError(f"{names[1]} has a negative eigenvalue, so it is no covariance")
        return cls(mean, root)

    @classmethod
    def of_features(cls, features: np.ndarray, ddof: int) -> "_Factored":
        if len(features) > features.shape[1]:
            return cls.of_statistics(*statistics(features, ddof), ("mean", "covariance"))
        mean = features.mean(axis=0, dtype=np.float64)
        return cls(mean, (features - mean).T / np.sqrt(len(features) - ddof))


def _distance(first: _Factored, second: _Factored) -> float:
    if len(first.mean) != len(second.mean):
        raise UsageError(
            f"mu1 has {len(first.mean)} features and mu2 {len(second.mean)}; "
            "both must come from one network"
        )
    gap = first.mean - second.mean
    traces = np.sum(first.factor**2) + np.sum(second.factor**2)
    cross = singular_values(first.factor.T @ second.factor).sum()
    # Of equal Gaussians the difference is rounding, of either sign.
    return max(0.0, float(gap @ gap + traces - 2.0 * cross))
