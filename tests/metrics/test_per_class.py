import numpy as np
import pytest
from references import correlated

from jaxgan.errors import UsageError
from jaxgan.metrics import frechet_distance_from_features, intra_class_frechet_distance

REAL, FAKE = correlated(0, 60, 8), correlated(1, 50, 8, shift=0.2)
REAL_LABELS, FAKE_LABELS = np.arange(60) % 3, np.arange(50) % 3


def test_is_the_mean_of_the_distances_of_the_classes():
    result = intra_class_frechet_distance(REAL, REAL_LABELS, FAKE, FAKE_LABELS)
    expected = {
        c: frechet_distance_from_features(REAL[REAL_LABELS == c], FAKE[FAKE_LABELS == c])
        for c in range(3)
    }
    assert result.per_class == expected
    assert result.mean == pytest.approx(np.mean(list(expected.values())))


def test_tells_classes_that_were_exchanged():
    """The sets as wholes are equal; the distance of the whole is 0 and of each class the shift."""
    real = np.concatenate([REAL, REAL + 10])
    labels = np.repeat([4, 7], 60)
    assert intra_class_frechet_distance(real, labels, real, labels).mean < 1e-6
    exchanged = intra_class_frechet_distance(real, labels, real, labels[::-1])
    assert frechet_distance_from_features(real, real) < 1e-6
    assert exchanged.per_class == pytest.approx({4: 800.0, 7: 800.0}, rel=1e-5)


def test_says_what_is_wrong():
    with pytest.raises(UsageError, match=r"the same classes; only one has \[2\]"):
        intra_class_frechet_distance(REAL, REAL_LABELS, FAKE, FAKE_LABELS % 2)
    with pytest.raises(UsageError, match="fake_labels must be 50 integers, one per sample"):
        intra_class_frechet_distance(REAL, REAL_LABELS, FAKE, FAKE_LABELS[:-1])
    with pytest.raises(UsageError, match="got float64 of shape"):
        intra_class_frechet_distance(REAL, REAL_LABELS * 1.0, FAKE, FAKE_LABELS)
    with pytest.raises(UsageError, match="class 1 has 1 samples in real and 48 in fake"):
        intra_class_frechet_distance(
            REAL, (np.arange(60) == 1).astype(int), FAKE, (np.arange(50) > 1).astype(int)
        )
