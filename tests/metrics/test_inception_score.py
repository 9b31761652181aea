import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from jaxgan.errors import UsageError
from jaxgan.metrics import inception_score


def test_of_equal_rows_is_one():
    assert inception_score(np.tile([0.2, 0.5, 0.3], (40, 1))).mean == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_of_balanced_certainty_is_the_number_of_classes(classes):
    score = inception_score(np.tile(np.eye(classes), (3, 1)), splits=3)
    assert score.mean == pytest.approx(classes, rel=1e-12)
    assert score.std == pytest.approx(0, abs=1e-9)


def test_of_two_rows_by_hand():
    """ln: (.9 ln 1.8 + .1 ln .2) nats from the even marginal."""
    rows = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert inception_score(rows, splits=1).mean == pytest.approx(1.4449348111684153, rel=1e-14)


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 50))
def test_lies_between_one_and_the_classes_and_logits_may_shift(seed, scale):
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((30, 7))
    score = inception_score(logits, splits=3).mean
    assert 1 - 1e-12 <= score <= 7
    assert inception_score(logits + 1000, splits=3).mean == pytest.approx(score, rel=1e-9)


def test_parts_are_of_consecutive_rows_unless_shuffled():
    by_class = np.repeat(np.eye(5), 20, axis=0)
    assert inception_score(by_class, splits=5).mean == pytest.approx(1.0)
    assert inception_score(by_class, splits=5, shuffle=0).mean > 4.0
    assert inception_score(by_class, splits=5, shuffle=0) == inception_score(
        by_class, splits=5, shuffle=np.random.default_rng(0)
    )
    assert inception_score(by_class, splits=1).mean == pytest.approx(5.0)


def test_probabilities_may_be_told_to_be_logits():
    rows = np.tile(np.eye(4), (5, 1))
    assert inception_score(rows, inputs="logits", splits=1).mean < 2.0
    assert inception_score(rows, inputs="probs", splits=1).mean == pytest.approx(4.0)


def test_equals_torch_fidelity():
    reason = "torch-fidelity is an independent implementation"
    metric_isc = pytest.importorskip("torch_fidelity.metric_isc", reason=reason)
    torch = pytest.importorskip("torch", reason=reason)
    logits = (3 * np.random.default_rng(0).standard_normal((203, 12))).astype(np.float32)
    theirs = metric_isc.isc_features_to_metric(torch.from_numpy(logits))
    ours = inception_score(logits, shuffle=np.random.RandomState(2020))
    np.testing.assert_allclose(ours.mean, theirs["inception_score_mean"], rtol=1e-12)
    np.testing.assert_allclose(ours.std, theirs["inception_score_std"], rtol=1e-10)


def test_says_what_is_wrong():
    with pytest.raises(UsageError, match="logits_or_probs has 9 samples, too few for 10 splits"):
        inception_score(np.eye(9))
    with pytest.raises(UsageError, match="rows that are no probabilities, but inputs='probs'"):
        inception_score(2 * np.eye(9), splits=1, inputs="probs")
    with pytest.raises(UsageError, match="inputs must be auto, logits or probs; got 'prob'"):
        inception_score(np.eye(9), splits=1, inputs="prob")
    with pytest.raises(UsageError, match="logits_or_probs holds NaN"):
        inception_score(np.full((20, 3), np.nan))
