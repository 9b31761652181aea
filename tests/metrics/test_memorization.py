import jax
import numpy as np
import pytest
from references import correlated, squared_distances

from jaxgan.errors import UsageError
from jaxgan.metrics import authenticity, ct_score, distance_ratio, nearest
from jaxgan.metrics.clusters import assign, k_means


def test_nearest_finds_the_copied_row():
    real = correlated(0, 40, 10)
    found = nearest(real[[7, 3]] + 1e-4, real, k=2)
    np.testing.assert_array_equal(found.indices[:, 0], [7, 3])
    expected = np.sqrt(np.sort(squared_distances(real[[7, 3]] + 1e-4, real))[:, :2])
    np.testing.assert_allclose(found.distances, expected, rtol=1e-12)


def test_authenticity_counts_copies():
    """3 exact copies, 2 near ones and 5 far samples."""
    real = correlated(0, 40, 10)
    fake = np.concatenate([real[:3], real[5:7] + 1e-3, correlated(1, 5, 10, shift=50.0)])
    assert authenticity(real, fake) == 0.5


def test_authenticity_by_definition():
    real, fake = correlated(0, 50, 6), correlated(1, 60, 6)
    between, within = squared_distances(fake, real), squared_distances(real, real)
    np.fill_diagonal(within, np.inf)
    expected = np.mean(between.min(1) > within.min(1)[between.argmin(1)])
    assert authenticity(real, fake) == pytest.approx(expected)


def test_authenticity_of_the_population_on_a_line_is_a_third():
    """The mutual nearest neighbours of points on a line are two thirds of them."""
    rng = np.random.default_rng(0)
    values = [authenticity(*rng.random((2, 300, 1))) for _ in range(20)]
    # Each fake is alone among the reals, so the shares of one draw are nearly independent.
    assert np.mean(values) == pytest.approx(1 / 3, abs=0.03)


def test_distance_ratio_tells_copies():
    train, held_out, fresh = (correlated(seed, 100, 8) for seed in range(3))
    assert distance_ratio(train, held_out, fresh) == pytest.approx(1.0, abs=0.15)
    assert distance_ratio(train, held_out, train + 1e-3) < 0.1
    assert distance_ratio(train, held_out, train) == 0.0
    assert distance_ratio(held_out, train, train + 1e-3) > 10


def test_distance_ratio_does_not_depend_on_the_sizes():
    """Ten times as many training samples are nearer to anything, and mean no copying."""
    train, held_out, fresh = correlated(0, 1000, 8), correlated(1, 100, 8), correlated(2, 200, 8)
    assert distance_ratio(train, held_out, fresh) == pytest.approx(1.0, abs=0.15)
    assert distance_ratio(train, held_out, train[:200]) == 0.0, "each is a copy of some sample"


@pytest.mark.parametrize("cells", [1, 3])
def test_ct_is_standard_normal_for_the_population_and_low_for_copies(cells):
    settings = {"cells": cells, "key": jax.random.key(0), "least": 5}
    rng = np.random.default_rng(0)
    scores = [ct_score(*rng.standard_normal((3, 60, 4)), cells=1) for _ in range(60)]
    assert abs(np.mean(scores)) < 3 * np.std(scores) / 60**0.5 + 0.1
    train, held_out = rng.standard_normal((2, 90, 4))
    assert ct_score(train, held_out, train + 0.01, **settings) < -4
    assert ct_score(train, held_out, 3 * held_out, **settings) > 3


def test_ct_is_the_z_score_of_scipys_mann_whitney_test():
    stats = pytest.importorskip("scipy.stats", reason="an independent Mann-Whitney statistic")
    train, held_out, fake = correlated(0, 50, 6), correlated(1, 40, 6), correlated(2, 30, 6)
    to_train = [np.sqrt(squared_distances(rows, train).min(1)) for rows in (fake, held_out)]
    u = stats.mannwhitneyu(*to_train).statistic
    z = (u - 600) / np.sqrt(1200 * 71 / 12)
    assert ct_score(train, held_out, fake) == pytest.approx(z, rel=1e-12)


def test_ct_of_ties_is_zero():
    x = correlated(0, 30, 4)
    assert ct_score(x, x, x) == 0.0


def test_ct_averages_cells_by_their_held_out_samples():
    """Two far clusters: copies in one, fresh samples in the other."""
    far = np.zeros(4, np.float32)
    far[0] = 1000
    train = np.concatenate([correlated(0, 60, 4), correlated(1, 60, 4) + far])
    held_out = np.concatenate([correlated(2, 30, 4), correlated(3, 60, 4) + far])
    fake = np.concatenate([train[:40] + 1e-4, correlated(4, 40, 4) + far])
    copied = ct_score(train[:60], held_out[:30], fake[:40])
    fresh = ct_score(train[60:], held_out[30:], fake[40:])
    both = ct_score(train, held_out, fake, cells=2, key=jax.random.key(1))
    assert both == pytest.approx((30 * copied + 60 * fresh) / 90, rel=1e-9)
    # A cell with too few fakes has no say.
    alone = ct_score(train, held_out, fake[:45], cells=2, key=jax.random.key(1))
    assert alone == pytest.approx(copied, rel=1e-9)


def test_k_means_finds_clusters_and_repeats():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 5
    x = jax.numpy.asarray(100 * np.eye(5)[truth] + rng.standard_normal((200, 5)), np.float32)
    centres = k_means(x, jax.random.key(3), k=5)
    labels = np.asarray(assign(x, centres))
    assert len({(t, c) for t, c in zip(truth, labels, strict=True)}) == 5
    means = np.stack([np.asarray(x)[labels == c].mean(0) for c in range(5)])
    np.testing.assert_allclose(centres, means, atol=1e-4)
    np.testing.assert_array_equal(centres, k_means(x, jax.random.key(3), k=5))


def test_k_means_of_fewer_places_than_centres():
    x = jax.numpy.asarray([[0.0], [0.0], [1.0]])
    centres = k_means(x, jax.random.key(0), k=3)
    assert set(np.unique(centres)) == {0.0, 1.0}


def test_says_what_is_wrong():
    x = correlated(0, 10, 4)
    with pytest.raises(UsageError, match="no cell has 20 samples of fake"):
        ct_score(x, x, x)
    with pytest.raises(UsageError, match="key must be given where cells is more than 1"):
        ct_score(x, x, x, cells=2)
    with pytest.raises(UsageError, match="train has 10 samples, too few for 11 cells"):
        ct_score(x, x, x, cells=11, key=jax.random.key(0))
    with pytest.raises(UsageError, match="number of samples of real must be at least 2; got 1"):
        authenticity(x[:1], x)
    with pytest.raises(UsageError, match="number of samples of real must be at least 11; got 10"):
        nearest(x, x, k=11)
    with pytest.raises(UsageError, match="got train 4, held_out 4, fake 3"):
        distance_ratio(x, x, x[:, :3])
