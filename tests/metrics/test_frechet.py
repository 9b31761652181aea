import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from references import correlated

from jaxgan.errors import UsageError
from jaxgan.metrics import (
    Moments,
    frechet_distance,
    frechet_distance_from_features,
    frechet_distance_infinity,
    statistics,
)


def covariance(seed: int, features: int, rank: int) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((features, rank))
    return root @ root.T


def rotation(seed: int, features: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((features, features)))[0]


def test_of_two_scaled_gaussians():
    """|mu|^2 = 9, and per dimension (1 - 2)^2."""
    value = frechet_distance(np.zeros(3), np.eye(3), np.array([1.0, 2.0, 2.0]), 4 * np.eye(3))
    np.testing.assert_allclose(value, 12.0, rtol=1e-14)


@given(seed=st.integers(0, 999), rank=st.integers(0, 8), shift=st.floats(-3, 3))
def test_of_a_shift_is_its_squared_length(seed, rank, shift):
    mu, sigma = np.zeros(8), covariance(seed, 8, rank)
    value = frechet_distance(mu, sigma, mu + shift, sigma)
    np.testing.assert_allclose(value, 8 * shift**2, rtol=1e-7, atol=1e-6)


@given(seed=st.integers(0, 999))
def test_of_commuting_covariances_is_that_of_their_roots(seed):
    """S1 = Q a Q^T and S2 = Q b Q^T: the sum of (sqrt a - sqrt b)^2, zeros among them too.

    Rounding turns some of the zeros into a last pivot of Cholesky's, which costs half the digits.
    """
    rng, q = np.random.default_rng(seed), rotation(seed, 6)
    a, b = rng.exponential(size=(2, 6)) * (rng.random((2, 6)) > 0.3)
    value = frechet_distance(np.zeros(6), (q * a) @ q.T, np.zeros(6), (q * b) @ q.T)
    np.testing.assert_allclose(value, np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rtol=1e-7, atol=1e-7)


def test_of_orthogonal_supports_is_the_sum_of_the_traces():
    a, b = np.diag([1.0, 2.0, 0.0, 0.0]), np.diag([0.0, 0.0, 3.0, 4.0])
    assert frechet_distance(np.zeros(4), a, np.zeros(4), b) == pytest.approx(10.0, rel=1e-14)


def test_of_points_is_their_squared_distance():
    zero = np.zeros((2, 2))
    assert frechet_distance(np.zeros(2), zero, np.array([3.0, 4.0]), zero) == 25.0


@given(seed=st.integers(0, 999), ranks=st.tuples(st.integers(1, 10), st.integers(1, 10)))
def test_is_symmetric_and_keeps_under_rotation_and_scales(seed, ranks):
    s1, s2 = covariance(seed, 10, ranks[0]), covariance(seed + 1, 10, ranks[1])
    mu1, mu2 = np.random.default_rng(seed).standard_normal((2, 10))
    q = rotation(seed, 10)
    value = frechet_distance(mu1, s1, mu2, s2)
    same = [
        frechet_distance(mu2, s2, mu1, s1),
        frechet_distance(q @ mu1, q @ s1 @ q.T, q @ mu2, q @ s2 @ q.T),
        frechet_distance(5 * mu1, 25 * s1, 5 * mu2, 25 * s2) / 25,
    ]
    np.testing.assert_allclose(same, value, rtol=1e-7)


@pytest.mark.parametrize("rows", [(2, 3), (20, 31), (20, 200), (200, 20), (120, 200)])
def test_from_features_equals_from_statistics(rows):
    """32 features: singular covariances, regular ones, and one of each."""
    x, y = correlated(0, rows[0], 32), correlated(1, rows[1], 32, shift=0.1)
    for ddof in (0, 1):
        expected = frechet_distance(*statistics(x, ddof), *statistics(y, ddof))
        value = frechet_distance_from_features(x, y, ddof=ddof)
        np.testing.assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [(20, 31), (20, 200)])
def test_of_few_samples_has_the_digits_that_float32_loses(rows):
    """Against eigenvalues of S1^(1/2) S2 S1^(1/2) with the null space taken out by hand."""
    x, y = correlated(0, rows[0], 32), correlated(1, rows[1], 32)
    (mu1, s1), (mu2, s2) = statistics(x), statistics(y)
    values, vectors = np.linalg.eigh(s1)
    frame = vectors[:, -(rows[0] - 1) :] * np.sqrt(values[-(rows[0] - 1) :])
    cross = np.sqrt(np.maximum(0, np.linalg.eigvalsh(frame.T @ s2 @ frame))).sum()
    expected = np.sum((mu1 - mu2) ** 2) + np.trace(s1) + np.trace(s2) - 2 * cross
    np.testing.assert_allclose(frechet_distance_from_features(x, y), expected, rtol=1e-9)


def test_of_a_set_and_itself_is_zero_and_of_a_shifted_copy_the_shift():
    x = correlated(0, 20, 32).astype(np.float64)
    assert frechet_distance_from_features(x, x) < 1e-12 * np.trace(statistics(x)[1])
    np.testing.assert_allclose(frechet_distance_from_features(x, x + 0.5), 32 * 0.25, rtol=1e-11)


def test_statistics_are_numpys():
    x = correlated(0, 50, 8)
    for ddof in (0, 1):
        mu, sigma = statistics(jnp.asarray(x), ddof)
        assert mu.dtype == sigma.dtype == np.float64
        np.testing.assert_allclose(mu, x.astype(np.float64).mean(0), rtol=1e-14)
        np.testing.assert_allclose(
            sigma, np.cov(x.astype(np.float64), rowvar=False, ddof=ddof), rtol=1e-11
        )


@given(cuts=st.lists(st.integers(0, 60), max_size=6), seed=st.integers(0, 99))
def test_moments_do_not_depend_on_how_the_stream_is_cut(cuts, seed):
    x = correlated(seed, 60, 5) + np.float32(100)  # a mean that a sum of squares would drown in
    edges = [0, *sorted(cuts), 60]
    parts = [x[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    streamed, merged = Moments.empty(5), Moments.empty(5)
    for part in parts:
        streamed = streamed.add(part)
        merged = Moments.empty(5).add(part).merge(merged)
    for moments in (streamed, merged):
        assert moments.count == 60
        for ours, whole in zip(moments.statistics(), statistics(x), strict=True):
            np.testing.assert_allclose(ours, whole, rtol=1e-10, atol=1e-10)


def test_moments_leave_out_padding():
    x = correlated(0, 10, 4)
    padded = np.concatenate([x, np.full((6, 4), np.nan, np.float32)])
    moments = Moments.empty(4).add(padded, valid=np.arange(16) < 10)
    np.testing.assert_array_equal(moments.scatter, Moments.empty(4).add(x).scatter)


def test_infinity_takes_away_the_bias_of_few_fakes():
    rng = np.random.default_rng(0)
    population = rng.standard_normal((6000, 16))
    real, fake = population[:3000], population[3000:]
    plain = frechet_distance_from_features(real, fake[:300])
    extrapolated = frechet_distance_infinity(real, fake, smallest=300, points=10)
    whole = frechet_distance_from_features(real, fake)
    # The bias at 300 samples is tens of times what is left of it.
    assert plain > 5 * whole
    assert abs(extrapolated - whole) < 0.3 * plain
    assert extrapolated == frechet_distance_infinity(real, fake, smallest=300, points=10, rng=0)


def test_equals_torch_fidelity():
    reason = "torch-fidelity is an independent implementation"
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid", reason=reason)
    torch = pytest.importorskip("torch", reason=reason)
    x, y = correlated(0, 500, 64), correlated(1, 400, 64, shift=0.2)
    stats = [metric_fid.fid_features_to_statistics(torch.from_numpy(f.astype("d"))) for f in (x, y)]
    theirs = metric_fid.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    np.testing.assert_allclose(frechet_distance(*statistics(x), *statistics(y)), theirs, rtol=1e-9)
    np.testing.assert_allclose(frechet_distance_from_features(x, y), theirs, rtol=1e-9)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros(2), np.eye(3), np.zeros(2), np.eye(2)), r"sigma1 \[d, d\]; got shapes \(2,\)"),
        ((np.zeros(2), np.eye(2), np.zeros(3), np.eye(3)), "mu1 has 2 features and mu2 3"),
        ((np.zeros(2), np.eye(2), np.zeros(2), [[1, np.nan], [0, 1]]), "sigma2 holds NaN"),
        ((np.zeros(2), [[1, 1], [0, 1]], np.zeros(2), np.eye(2)), "sigma1 is not symmetric"),
        ((np.zeros(2), np.diag([1, -1]), np.zeros(2), np.eye(2)), "sigma1 has a negative"),
    ],
)
def test_says_what_is_wrong_with_statistics(arguments, message):
    with pytest.raises(UsageError, match=message):
        frechet_distance(*arguments)


def test_says_what_is_wrong_with_features():
    x = correlated(0, 10, 4)
    with pytest.raises(UsageError, match="y has 1 samples; this metric needs at least 2"):
        frechet_distance_from_features(x, x[:1])
    with pytest.raises(UsageError, match="from one network; got x 4, y 3"):
        frechet_distance_from_features(x, x[:, :3])
    with pytest.raises(UsageError, match="fake has 10 samples; give more than smallest=10"):
        frechet_distance_infinity(x, x, smallest=10)
    with pytest.raises(UsageError, match="features has 3 a sample; earlier ones 4"):
        Moments.empty(4).add(x[:, :3])
    with pytest.raises(UsageError, match="features has 0 samples; ddof=1 needs 2"):
        Moments.empty(4).statistics()
