"""Intra-class Fréchet distance (Miyato & Koyama 2018): is each class drawn well?"""

from typing import NamedTuple

import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.frechet import frechet_distance_from_features
from jaxgan.metrics.inputs import matrices


class IntraClassDistance(NamedTuple):
    """mean: over the classes, unweighted; per_class: the distance of each."""

    mean: float
    per_class: dict[int, float]


def intra_class_frechet_distance(
    real, real_labels, fake, fake_labels, *, ddof: int = 1
) -> IntraClassDistance:
    """The mean over classes of the Fréchet distance of the reals and the fakes of that class.

    real, fake: features [N, d], [M, d]; their labels [N], [M], integers. Both must have the same
    classes, with more than `ddof` samples in each. A class has far fewer samples than the whole, so
    values are higher than the distance of the whole sets, and comparable at equal counts alone.
    """
    real, fake = matrices(real=real, fake=fake)
    real_labels = _labels("real", real, real_labels)
    fake_labels = _labels("fake", fake, fake_labels)
    if not np.array_equal(np.unique(real_labels), np.unique(fake_labels)):
        odd = np.setxor1d(real_labels, fake_labels).tolist()
        raise UsageError(
            f"real_labels and fake_labels must have the same classes; only one has {odd}"
        )
    distances = {}
    for label in np.unique(real_labels).tolist():
        x, y = real[real_labels == label], fake[fake_labels == label]
        if min(len(x), len(y)) <= ddof:
            raise UsageError(
                f"class {label} has {len(x)} samples in real and {len(y)} in fake; "
                f"each needs at least {ddof + 1}"
            )
        distances[label] = frechet_distance_from_features(x, y, ddof=ddof)
    return IntraClassDistance(float(np.mean(list(distances.values()))), distances)


def _labels(name: str, features: np.ndarray, labels) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (len(features),) or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"{name}_labels must be {len(features)} integers, one per sample; "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return labels
