"""Has the generator copied its training set? Distances to training and to held-out samples."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics import distances
from jaxgan.metrics.clusters import assign, k_means
from jaxgan.metrics.distances import Neighbours
from jaxgan.metrics.inputs import at_least, matrices


def nearest(fake, real, *, k: int = 1) -> Neighbours:
    """The k nearest of `real` [N, d] to each of `fake` [M, d]: indices and distances, [M, k]."""
    fake, real = matrices(fake=fake, real=real)
    at_least("k", k, 1)
    at_least("the number of samples of real", len(real), k)
    return distances.nearest(fake, real, k)


def authenticity(real, fake) -> float:
    """The share of `fake` [M, d] that are no copies of training samples `real` [N, d], N >= 2.

    Alaa et al. 2022, sec. 4.3: a fake is a copy where the real sample nearest to it is no farther
    from the fake than from the other reals. Fresh samples of the training population score the
    chance that nearest neighbours are not mutual: 1/3 in one dimension, nearly 1/2 in many.
    """
    real, fake = matrices(real=real, fake=fake)
    at_least("the number of samples of real", len(real), 2)
    to_real = distances.nearest(fake, real)
    between_reals = distances.nearest_others(real).distances[:, 0]
    return float(np.mean(to_real.distances[:, 0] > between_reals[to_real.indices[:, 0]]))


def distance_ratio(train, held_out, fake) -> float:
    """How much nearer fakes are to the training set than held-out samples are, over the like.

        median d(fake, train) / median d(fake, held_out)
        ------------------------------------------------------
        median d(held_out, train) / median d(held_out, others)

    with d the distance to the nearest sample, of a held-out one to the nearest other. 1 for fakes
    that are as near to both sets as held-out samples are, whatever the sizes of these, below 1 for
    a generator that copies, 0 where at least half of the fakes are exact copies of any samples of
    `train` [N, d]; `held_out` [M, d], M >= 2. nan where the fakes are both sets' copies.
    """
    train, held_out, fake = matrices(train=train, held_out=held_out, fake=fake)
    at_least("the number of samples of held_out", len(held_out), 2)
    median = lambda found: np.median(found.distances)
    to_train, to_held_out = (median(distances.nearest(fake, reals)) for reals in (train, held_out))
    between, others = (
        median(distances.nearest(held_out, train)),
        median(distances.nearest_others(held_out)),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(to_train * others, to_held_out * between))


def ct_score(
    train, held_out, fake, *, cells: int = 1, least: int = 20, key: jax.Array | None = None
) -> float:
    """C_T: are fakes nearer to the training set than held-out samples are? (Meehan et al. 2020.)

    A z-score: far below 0 (-3, say) the generator copies, far above it underfits. Per cell it is
    the Mann-Whitney statistic of distances to the nearest training sample of the cell, of m fakes
    and n held-out samples, standardized (sec. 3):

        Z = (U - m n / 2) / sqrt(m n (m + n + 1) / 12),   U the pairs with the fake farther    (1)

    and C_T averages Z over the cells, by their shares of the held-out samples. Ties count a half.

    Args:
      train, held_out, fake: features, [., d].
      cells: k-means cells of the training set; 1 compares over the whole space.
      least: a cell with fewer fakes, or without a held-out sample, is left out.
      key: seed of the k-means; needed where cells > 1.

    Raises:
      UsageError: no cell has enough samples.
    """
    train, held_out, fake = sets = matrices(train=train, held_out=held_out, fake=fake)
    at_least("cells", cells, 1)
    if cells > len(train):
        raise UsageError(f"train has {len(train)} samples, too few for {cells} cells")
    if cells > 1 and key is None:
        raise UsageError("key must be given where cells is more than 1; jax.random.key(0), say")
    centre = train.mean(axis=0, dtype=np.float64)  # float32 distances lose less about it
    devices = [jnp.asarray((rows - centre).astype(np.float32)) for rows in sets]
    if cells == 1:
        labels = [np.zeros(len(rows), int) for rows in sets]
    else:
        centres = k_means(devices[0], key, k=cells)
        labels = [np.asarray(assign(rows, centres)) for rows in devices]
    scores, weights = [], []
    for cell in range(cells):
        of_train, of_held_out, of_fake = (
            rows[label == cell] for rows, label in zip(sets, labels, strict=True)
        )
        if len(of_fake) < least or not len(of_held_out) or not len(of_train):
            continue
        scores.append(
            _mann_whitney(
                *(
                    distances.nearest(rows, of_train).distances[:, 0]
                    for rows in (of_fake, of_held_out)
                )
            )
        )
        weights.append(len(of_held_out))
    if not scores:
        raise UsageError(
            f"no cell has {least} samples of fake and one each of held_out and train; "
            "give more samples, fewer cells, or a smaller least"
        )
    return float(np.average(scores, weights=weights))


def _mann_whitney(first: np.ndarray, second: np.ndarray) -> float:
    """Eq. 1: above 0 where values of `first` tend to exceed those of `second`."""
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, side="left")
    ties = np.searchsorted(ordered, first, side="right") - below
    m, n = len(first), len(second)
    u = below.sum() + 0.5 * ties.sum()
    return float((u - 0.5 * m * n) / np.sqrt(m * n * (m + n + 1) / 12.0))
