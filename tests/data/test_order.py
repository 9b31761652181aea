import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.data.order import batch_indices, shuffled_index
from jaxgan.errors import UsageError

words_of = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(
    lambda pair: np.array(pair, np.uint32)
)
WORDS = np.array([7, 11], np.uint32)


@given(words=words_of, n=st.integers(1, 3000), epoch=st.integers(0, 2**20))
@settings(max_examples=150, deadline=None)
def test_every_epoch_holds_every_example_once(words, n, epoch):
    drawn = shuffled_index(words, epoch * n + np.arange(n), n)
    assert drawn.dtype == np.int32
    np.testing.assert_array_equal(np.sort(drawn), np.arange(n))


@given(words=words_of, epoch=st.integers(0, 1000), bit=st.integers(0, 63))
@settings(max_examples=50, deadline=None)
def test_epochs_and_seeds_have_orders_of_their_own(words, epoch, bit):
    n = 200
    positions = epoch * n + np.arange(n)
    flipped = words.copy()
    flipped[bit // 32] ^= np.uint32(1 << bit % 32)
    here = shuffled_index(words, positions, n)
    # Two random permutations agree in one place on average, in 15 with probability 1e-12.
    assert np.sum(here == shuffled_index(words, positions + n, n)) < 15
    assert np.sum(here == shuffled_index(flipped, positions, n)) < 15


@given(words=words_of, n=st.integers(1, 2**31 - 1), start=st.integers(0, 2**31 - 100))
@settings(max_examples=25, deadline=None)
def test_numpy_and_jax_agree(words, n, start):
    positions = start + np.arange(64)
    traced = jax.jit(shuffled_index, static_argnums=2)(words, jnp.asarray(positions), n)
    np.testing.assert_array_equal(traced, shuffled_index(words, positions, n))


@given(
    words=words_of,
    step=st.integers(0, 2**31 - 1),
    draws=st.integers(1, 5),
    batch_size=st.integers(1, 300),
    n=st.integers(1, 2**31 - 1),
)
@settings(max_examples=25, deadline=None)
def test_batches_read_the_sequence_in_order(words, step, draws, batch_size, n):
    """At products past 2**32 too: Python's integers are the judge."""
    first = step * draws * batch_size
    positions = np.array([first + i for i in range(draws * batch_size)], np.int64)
    expected = shuffled_index(words, positions, n).reshape(draws, batch_size)
    indices = batch_indices(words, step, draws, batch_size, n)
    np.testing.assert_array_equal(indices, expected)
    traced = jax.jit(batch_indices, static_argnums=(2, 3, 4))
    np.testing.assert_array_equal(traced(words, step, draws, batch_size, n), expected)


def test_batches_cross_the_borders_of_epochs():
    n, draws, batch_size = 10, 2, 3
    steps = [batch_indices(WORDS, step, draws, batch_size, n) for step in range(5)]
    drawn = np.concatenate([indices.ravel() for indices in steps])
    for epoch in range(3):
        assert sorted(drawn[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_each_place_sees_each_example_equally_often():
    """Chi-square over (place, example) and over the successor of an example."""
    n, epochs = 12, 6000
    drawn = shuffled_index(WORDS, np.arange(n * epochs), n).reshape(epochs, n)
    table = np.stack([np.bincount(drawn[:, place], minlength=n) for place in range(n)])
    chi_square = np.sum((table - epochs / n) ** 2) / (epochs / n)
    freedom = (n - 1) ** 2
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)
    pairs = np.bincount((drawn[:, :-1] * n + drawn[:, 1:]).ravel(), minlength=n * n).reshape(n, n)
    assert np.all(np.diag(pairs) == 0)
    rest = pairs[~np.eye(n, dtype=bool)]
    mean = epochs * (n - 1) / rest.size
    assert np.sum((rest - mean) ** 2) / mean < rest.size + 5 * np.sqrt(2 * rest.size)


def test_a_large_set_is_well_mixed():
    n = 50_000
    drawn = shuffled_index(WORDS, np.arange(n), n).astype(np.float64)
    assert abs(np.corrcoef(drawn, np.arange(n))[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / np.sqrt(n)


def test_the_seed_may_have_four_words():
    words = jax.random.key_data(jax.random.key(3, impl="rbg"))
    assert words.shape == (4,)
    assert sorted(shuffled_index(words, jnp.arange(37), 37).tolist()) == list(range(37))


@pytest.mark.parametrize("counts", [(1, 0, 5), (0, 4, 5), (1, 4, 0), (1, 4, 2**31), (2**16,) * 3])
def test_counts_out_of_range_are_refused(counts):
    with pytest.raises(UsageError, match="expected 1 to 2147483647"):
        batch_indices(WORDS, 0, *counts)
