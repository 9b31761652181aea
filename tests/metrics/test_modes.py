import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.errors import UsageError
from jaxgan.metrics import mode_counts
from jaxgan.metrics.modes import divergences

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_by_hand():
    """Two modes found; one sample too far from the third; nothing near the fourth."""
    samples = [[0.0, 0.0], [0.0, 2.9], [10.0, 0.0], [0.0, 13.1]]
    found = mode_counts(samples, CENTRES, sigma=1.0)
    assert (found.modes, found.high_quality) == (2, 0.75)
    # Shares 1/2, 1/4, 1/4, 0 of four.
    assert found.reverse_kl == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(1))
    smooth = np.array([3, 2, 2, 1]) / 8
    assert found.forward_kl == pytest.approx(np.mean(np.log(0.25 / smooth)))


def test_collapse_and_coverage():
    collapsed = mode_counts(np.zeros((50, 2)), CENTRES, sigma=0.1)
    assert collapsed[:2] == (1, 1.0) and collapsed.reverse_kl == pytest.approx(np.log(4))
    even = mode_counts(np.tile(CENTRES, (9, 1)), CENTRES, sigma=0.1)
    assert even == (4, 1.0, 0.0, 0.0)


@given(st.integers(1, 40), st.integers(0, 2**16))
def test_far_from_the_origin_distances_keep_their_digits(count, seed):
    """A small sigma about large centres: differences, not products."""
    rng = np.random.default_rng(seed)
    centres = (rng.integers(-4, 5, (6, 2)) * 64.0).astype(np.float32)
    samples = (centres[rng.integers(0, 6, count)] + rng.normal(0, 0.02, (count, 2))).astype("f4")
    found = mode_counts(samples, np.unique(centres, axis=0), sigma=0.01)
    gaps = np.linalg.norm(samples[:, None].astype("f8") - centres, axis=-1).min(axis=1)
    near = np.abs(gaps - 0.03) < 1e-5
    assert abs(found.high_quality - np.mean(gaps <= 0.03)) <= near.mean() + 1e-9


def test_a_perfect_sampler_of_a_thousand_modes_has_the_expected_divergence():
    """(K - 1) / 2N to first order; published for unequal digits as 0.0237 at 26,000."""
    counts = np.random.default_rng(0).multinomial(26_000, np.full(1000, 1e-3))
    assert divergences(counts)[0] == pytest.approx(999 / 52_000, rel=0.1)


@pytest.mark.parametrize("arguments", [
    ([[0.0, np.nan]], CENTRES, 1.0), ([[0.0]], CENTRES, 1.0), ([[0.0, 0.0]], CENTRES, 0.0),
])  # fmt: skip
def test_wrong_input(arguments):
    with pytest.raises(UsageError):
        mode_counts(*arguments)
