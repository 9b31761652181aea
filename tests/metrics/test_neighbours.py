import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from references import correlated, squared_distances

from jaxgan.errors import UsageError
from jaxgan.metrics import density_coverage, distances, prdc, precision_recall
from jaxgan.metrics.neighbours import CONVENTIONS


@pytest.fixture(params=[False, True], ids=["one-block", "many-blocks"])
def blocks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(distances, "BLOCK", 17)
        monkeypatch.setattr(distances, "WIDENED", 100)


def direct(real, fake, k, closed):
    """Precision, recall, density and coverage by definition, in float64."""
    inside = np.less_equal if closed else np.less

    def radii(x):
        squared = squared_distances(x, x)
        np.fill_diagonal(squared, np.inf)
        return np.sort(squared, axis=1)[:, k - 1]

    between = squared_distances(real, fake)
    in_real = inside(between, radii(real)[:, None])
    in_fake = inside(between, radii(fake)[None])
    return (
        in_real.any(0).mean(),
        in_fake.any(1).mean(),
        in_real.sum(0).mean() / k,
        in_real.any(1).mean(),
    )


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
def test_neighbours_in_tight_clusters_are_the_nearest(blocks, width):
    """Closer to each other than float32 tells squares of their distance from the mean apart."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 24))
    sets = [
        (centres[rng.integers(0, 4, 50)] + width * rng.standard_normal((50, 24))).astype(np.float32)
        for _ in range(2)
    ]
    for k in (1, 3):
        between = np.sqrt(squared_distances(*sets))
        found = distances.nearest(*sets, k)
        np.testing.assert_allclose(found.distances, np.sort(between)[:, :k], rtol=1e-9)
        np.testing.assert_array_equal(found.indices, np.argsort(between)[:, :k])
        within = np.sqrt(squared_distances(sets[0], sets[0]))
        np.fill_diagonal(within, np.inf)
        found = distances.nearest_others(sets[0], k)
        np.testing.assert_array_equal(found.indices, np.argsort(within)[:, :k])


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("k", [1, None])
def test_are_the_shares_by_definition(blocks, convention, k):
    real, fake = correlated(0, 60, 12), correlated(1, 45, 12, shift=0.5)
    default, closed = CONVENTIONS[convention]
    expected = direct(real, fake, k or default, closed)
    assert precision_recall(real, fake, k=k, convention=convention) == pytest.approx(expected[:2])
    if not closed:
        assert density_coverage(real, fake, k=k or 5) == pytest.approx(expected[2:])
        assert prdc(real, fake, k=k or 5) == pytest.approx(expected)


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), k=st.integers(1, 4), closed=st.booleans())
def test_pairs_at_exactly_the_radius_are_told_apart(seed, k, closed):
    """Points of a small lattice have many equal distances, and duplicates; both are decided."""
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(0, 4, (2, 30, 3)).astype(np.float32)
    convention = "stylegan" if closed else "prdc"
    precision, recall, density, coverage = direct(real, fake, k, closed)
    ours = precision_recall(real, fake, k=k, convention=convention)
    assert ours == pytest.approx((precision, recall))
    if not closed:
        assert density_coverage(real, fake, k=k) == pytest.approx((density, coverage))


def test_of_a_set_and_itself(blocks):
    x = correlated(0, 50, 12)
    assert precision_recall(x, x) == (1.0, 1.0)
    # Each open ball holds its centre and the k - 1 nearer ones.
    assert density_coverage(x, x) == pytest.approx((1.0, 1.0))


def test_of_sets_far_apart_are_zero():
    x = correlated(0, 50, 12)
    assert precision_recall(x, x + 1000) == (0.0, 0.0)
    assert density_coverage(x, x + 1000) == (0.0, 0.0)


def test_fakes_of_one_mode_are_precise_and_recall_little():
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(8)
    real = centres[np.arange(160) % 8] + rng.standard_normal((160, 8))
    fake = centres[0] + rng.standard_normal((160, 8))
    precision, recall = precision_recall(real, fake)
    assert precision > 0.5 and recall < 0.2
    assert density_coverage(real, fake).coverage < 0.2


def test_coverage_of_one_population_is_as_published():
    """Naeem et al. 2020, eq. 8: 1 - (N - 1)...(N - k) / ((2N - 1)...(2N - k)), N of each."""
    k, n = 3, 40
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    rng = np.random.default_rng(0)
    values = [density_coverage(*rng.standard_normal((2, n, 4)), k=k) for _ in range(60)]
    density, coverage = np.mean(values, axis=0)
    assert coverage == pytest.approx(expected, abs=0.02)
    assert density == pytest.approx(1.0, abs=0.05)


@given(
    scale=st.floats(-25, 25).map(lambda power: 10.0**power),
    shift=st.floats(-100, 100),
    seed=st.integers(0, 99),
)
@settings(max_examples=20)
def test_order_shift_and_scale_change_nothing(scale, shift, seed):
    real, fake = correlated(0, 40, 6).astype(float), correlated(1, 40, 6, shift=0.5).astype(float)
    order = np.random.default_rng(seed).permutation(40)
    moved = [scale * (rows[order] + shift) for rows in (real, fake)]
    assert precision_recall(*moved) == precision_recall(real, fake)
    assert density_coverage(*moved) == density_coverage(real, fake)


@pytest.mark.parametrize("mean", [1e4, 1e5, 1e6])
def test_a_set_may_be_of_coarser_numbers_than_the_other(mean):
    real = correlated(0, 300, 16).astype(np.float64) + mean
    fake = (correlated(1, 300, 16).astype(np.float64) + mean).astype(np.float32)
    expected = precision_recall(real, fake.astype(np.float64))
    assert (
        precision_recall(real, fake) == expected == pytest.approx(direct(real, fake, 3, True)[:2])
    )


def test_neighbours_are_float64s(blocks):
    """Within 1e-12 though each row's mean is 1,000 times its spread."""
    x = correlated(0, 40, 300).astype(np.float64) + 1e4
    y = correlated(1, 50, 300).astype(np.float64) + 1e4
    expected = squared_distances(x, y)
    found = distances.nearest(x, y, 3)
    order = np.argsort(expected, axis=1)[:, :3]
    np.testing.assert_array_equal(found.indices, order)
    exact = np.sqrt(np.take_along_axis(expected, order, axis=1))
    np.testing.assert_allclose(found.distances, exact, rtol=1e-12)
    others = distances.nearest_others(x, 39)
    assert not (others.indices == np.arange(40)[:, None]).any()
    assert (np.diff(others.distances, axis=1) >= 0).all()


@pytest.mark.parametrize("features", [1, 16, 2048])
def test_device_distances_keep_the_stated_error(features):
    x = correlated(0, 60, min(features, 64))
    x = np.tile(x, (1, -(-features // 64)))[:, :features]
    (cloud,), scale = distances._clouds(x)
    squared = distances._squared(cloud.points, cloud.squares, cloud.points, cloud.squares)
    error = np.abs(np.asarray(squared, np.float64) * scale**2 - squared_distances(x, x))
    sizes = np.asarray(cloud.squares, np.float64) * scale**2
    assert (error <= distances.slack(features) * (sizes[:, None] + sizes) / 2).all()


def test_takes_arrays_of_the_device():
    real, fake = correlated(0, 30, 6), correlated(1, 30, 6)
    assert precision_recall(*map(jax.numpy.asarray, (real, fake))) == precision_recall(real, fake)


def test_equals_prdc():
    package = pytest.importorskip("prdc", reason="prdc is its authors' implementation")
    real, fake = correlated(0, 300, 40), correlated(1, 280, 40, shift=0.4)
    theirs = package.compute_prdc(real.astype(np.float64), fake.astype(np.float64), 5)
    ours = precision_recall(real, fake, convention="prdc")
    assert ours == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-12)
    ours = density_coverage(real, fake)
    assert ours == pytest.approx((theirs["density"], theirs["coverage"]), abs=1e-12)
    assert prdc(real, fake)._asdict() == pytest.approx(theirs, abs=1e-12)


def test_equals_torch_fidelity():
    reason = "torch-fidelity is an independent implementation"
    metric_prc = pytest.importorskip("torch_fidelity.metric_prc", reason=reason)
    torch = pytest.importorskip("torch", reason=reason)
    real, fake = correlated(0, 300, 40), correlated(1, 280, 40, shift=0.4)
    theirs = metric_prc.calculate_precision_recall_full(
        torch.from_numpy(fake.astype(np.float64)), torch.from_numpy(real.astype(np.float64)), 3
    )
    assert precision_recall(real, fake) == pytest.approx(theirs, abs=1e-6)


def test_says_what_is_wrong():
    x = correlated(0, 10, 4)
    with pytest.raises(UsageError, match="number of samples of real must be at least 4; got 3"):
        precision_recall(x[:3], x)
    with pytest.raises(UsageError, match="number of samples of fake must be at least 4; got 3"):
        precision_recall(x, x[:3])
    with pytest.raises(UsageError, match="unknown convention 'prcd'; did you mean 'prdc'"):
        precision_recall(x, x, convention="prcd")
    with pytest.raises(UsageError, match="k must be at least 1; got 0"):
        density_coverage(x, x, k=0)
    with pytest.raises(UsageError, match="got real 4, fake 2"):
        density_coverage(x, x[:, :2])
    with pytest.raises(UsageError, match="fake holds NaN"):
        density_coverage(x, x * np.nan)
