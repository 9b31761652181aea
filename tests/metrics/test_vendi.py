import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from references import correlated

from jaxgan.errors import UsageError
from jaxgan.metrics import vendi_score

ORDERS = [0.1, 0.5, 1.0, 2.0, np.inf]


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("copies", [1, 7])
def test_counts_orthogonal_kinds(q, copies):
    """Five kinds, in equal parts: 5, whichever of the two matrices is the smaller."""
    assert vendi_score(np.repeat(3 * np.eye(5, 8), copies, axis=0), q) == pytest.approx(5.0)


@pytest.mark.parametrize("q", ORDERS)
def test_of_parallel_samples_is_one(q):
    assert vendi_score(np.outer([1.0, 2.0, 5.0], [1.0, -1.0]), q) == pytest.approx(1.0)


@given(seed=st.integers(0, 999), q=st.sampled_from(ORDERS))
def test_lies_in_its_bounds_and_keeps_under_rotation_order_and_repetition(seed, q):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 5))
    score = vendi_score(x, q)
    assert 1.0 <= score <= 5.0 + 1e-9
    turned = rng.permutation(x) @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert vendi_score(turned, q) == pytest.approx(score, rel=1e-6)
    assert vendi_score(np.tile(x, (3, 1)), q) == pytest.approx(score, rel=1e-6)


def test_falls_with_the_order():
    scores = [vendi_score(correlated(0, 30, 10), q) for q in ORDERS]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("q", [0.5, 1, 2, "inf"])
@pytest.mark.parametrize("rows", [20, 60])
def test_equals_its_authors(q, rows):
    reason = "vendi-score is its authors' implementation"
    vendi = pytest.importorskip("vendi_score.vendi", reason=reason)
    x = correlated(0, rows, 30).astype(np.float64)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    # Their eigenvalues of 0 are rounding and count in small orders, so theirs is kept full in rank.
    gram = unit @ unit.T / rows if rows < 30 else unit.T @ unit / rows
    theirs = np.exp(vendi.entropy_q(np.linalg.eigvalsh(gram), q=q))
    np.testing.assert_allclose(vendi_score(x, float(q)), theirs, rtol=1e-9)
    if q == 1:
        np.testing.assert_allclose(vendi_score(x), vendi.score_dual(x), rtol=1e-9)


def test_says_what_is_wrong():
    with pytest.raises(UsageError, match="features has a sample of norm 0, number 1"):
        vendi_score(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(UsageError, match="q must be above 0; got 0"):
        vendi_score(np.eye(2), q=0)
    with pytest.raises(UsageError, match="features holds NaN"):
        vendi_score(np.full((2, 2), np.nan))
