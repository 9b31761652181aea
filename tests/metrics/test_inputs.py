import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.inputs import generator, matrix, row_blocks


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros(3), r"real must be \[samples, features\]; got shape \(3,\)"),
        (np.zeros((3, 0)), r"got shape \(3, 0\)"),
        (np.zeros((1, 2)), "real has 1 samples; this metric needs at least 2"),
        (np.array([["a", "b"]]), "real must hold real numbers; got <U1"),
        (np.zeros((3, 2), complex), "real must hold real numbers; got complex128"),
        (
            [[0.0, 1.0], [np.nan, np.inf], [0.0, -np.inf]],
            "real holds NaN or infinity in 2 of 3 samples, first in sample 1",
        ),
    ],
)
def test_matrix_names_the_argument_and_the_trouble(values, message):
    with pytest.raises(UsageError, match=message):
        matrix("real", values, least=2)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int32, np.uint8, np.float64])
def test_matrix_takes_any_real_numbers(dtype):
    values = matrix("x", np.arange(6).reshape(2, 3).astype(dtype))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [[0, 1, 2], [3, 4, 5]])


def test_matrix_copies_no_float32():
    values = np.ones((2, 3), np.float32)
    assert matrix("x", values) is values


@pytest.mark.parametrize("rows, size", [(0, 4), (1, 4), (4, 4), (9, 4), (12, 4)])
def test_row_blocks_cover_each_row_once_in_even_pieces(rows, size):
    blocks = row_blocks(rows, size)
    covered = [n for block in blocks for n in range(rows)[block]]
    assert covered == list(range(rows))
    lengths = [block.stop - block.start for block in blocks]
    assert not lengths or (max(lengths) <= size and max(lengths) - min(lengths) <= 1)


def test_generator_keeps_the_state_of_one_that_is_given():
    rng = np.random.RandomState(2020)
    assert generator(rng) is rng
    assert generator(3).random() == np.random.default_rng(3).random()
