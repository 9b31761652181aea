import jax.numpy as jnp
import numpy as np
import pytest
from references import correlated

from jaxgan.errors import UsageError
from jaxgan.metrics import kernel_distance, kernel_distance_full


def direct(x, y, degree=3, gamma=None, coef=1.0):
    """The unbiased estimator by definition, in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    gamma = gamma or 1 / x.shape[1]
    xx, yy, xy = ((gamma * a @ b.T + coef) ** degree for a, b in ((x, x), (y, y), (x, y)))
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
    return sum(within) - 2 * xy.mean()


@pytest.mark.parametrize("settings", [{}, {"degree": 2, "gamma": 0.1, "coef": 0.5}])
def test_full_is_the_estimator_by_definition(settings):
    x, y = correlated(0, 70, 16), correlated(1, 50, 16, shift=0.3)
    value = kernel_distance_full(x, y, **settings).value
    np.testing.assert_allclose(value, direct(x, y, **settings), rtol=1e-5)


def test_full_in_blocks(monkeypatch):
    x, y = correlated(0, 70, 16), correlated(1, 50, 16, shift=0.3)
    whole = kernel_distance_full(x, y)
    monkeypatch.setattr("jaxgan.metrics.kernel.BLOCK", 16)
    np.testing.assert_allclose(kernel_distance_full(x, y), whole, rtol=1e-5)


def test_float32_kernels_lose_little():
    """Features of mean 2 have kernels near 125; what is left of their rounding is 1e-6 of that."""
    x, y = correlated(0, 1000, 64), correlated(1, 1000, 64)
    assert abs(kernel_distance_full(x, y).value - direct(x, y)) < 2e-5


def test_of_one_population_averages_zero_and_may_be_negative():
    rng = np.random.default_rng(0)
    values = [kernel_distance_full(*rng.standard_normal((2, 40, 8))).value for _ in range(200)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 3 * np.std(values) / 200**0.5


def test_the_standard_error_of_full_is_the_spread_over_draws():
    rng = np.random.default_rng(1)
    draws = [
        kernel_distance_full(rng.standard_normal((80, 4)), rng.standard_normal((60, 4)) + 1)
        for _ in range(150)
    ]
    spread = np.std([draw.value for draw in draws])
    np.testing.assert_allclose(np.mean([draw.standard_error for draw in draws]), spread, rtol=0.2)


def test_subsets_average_to_the_full_estimate():
    x, y = correlated(0, 60, 16), correlated(1, 80, 16, shift=0.3)
    estimate = kernel_distance(x, y, subsets=300, subset_size=20)
    full = kernel_distance_full(x, y).value
    assert abs(estimate.mean - full) < 4 * estimate.standard_error
    assert estimate.standard_error == pytest.approx(estimate.std / 300**0.5)


def test_a_subset_of_everything_is_everything():
    x, y = correlated(0, 30, 16), correlated(1, 30, 16)
    estimate = kernel_distance(jnp.asarray(x), jnp.asarray(y), subsets=3, subset_size=30)
    np.testing.assert_allclose(estimate.mean, direct(x, y), rtol=1e-4)
    assert estimate.std < 1e-5  # the order of the sums differs


def test_equals_torch_fidelity():
    reason = "torch-fidelity is an independent implementation"
    metric_kid = pytest.importorskip("torch_fidelity.metric_kid", reason=reason)
    torch = pytest.importorskip("torch", reason=reason)
    x, y = correlated(0, 150, 32), correlated(1, 120, 32, shift=0.2)
    theirs = metric_kid.kid_features_to_metric(
        torch.from_numpy(x.astype(np.float64)),
        torch.from_numpy(y.astype(np.float64)),
        kid_subsets=20,
        kid_subset_size=100,
        rng_seed=2020,
        verbose=False,
    )
    rng = np.random.RandomState(2020)
    ours = kernel_distance(x, y, subsets=20, subset_size=100, rng=rng)
    np.testing.assert_allclose(ours.mean, theirs["kernel_inception_distance_mean"], rtol=1e-4)
    np.testing.assert_allclose(ours.std, theirs["kernel_inception_distance_std"], rtol=1e-4)


def test_says_what_is_wrong():
    x = correlated(0, 30, 4)
    with pytest.raises(UsageError, match="x has 30 samples and y 30; subset_size=1000 needs"):
        kernel_distance(x, x)
    with pytest.raises(UsageError, match="subset_size must be at least 2; got 1"):
        kernel_distance(x, x, subset_size=1)
    with pytest.raises(UsageError, match="too large for a kernel in float32"):
        kernel_distance_full(1e8 * x, x)
