import jax
import numpy as np
import pytest
from jax import lax

from jaxgan.metrics.features import convolve

CASES = [  # kernel, strides, padding, size: the kinds of convolution in Inception
    ((1, 1), 1, "SAME", (5, 7)),
    ((3, 3), 2, "VALID", (9, 12)),
    ((3, 3), 2, "SAME", (8, 7)),
    ((1, 7), 1, "SAME", (9, 8)),
    ((7, 1), 1, "SAME", (6, 9)),
    ((1, 3), 1, "VALID", (6, 9)),
    ((5, 5), 1, "SAME", (9, 8)),
    ((3, 3), 1, "SAME", (65, 66)),  # large enough for Winograd's form
    ((3, 3), 1, "VALID", (66, 67)),
    ((3, 3), 1, "SAME", (8, 9)),
]


@pytest.mark.parametrize("kernel, strides, padding, size", CASES)
def test_every_form_is_the_convolution(kernel, strides, padding, size):
    x = jax.random.normal(jax.random.key(0), (2, *size, 6))
    w = jax.random.normal(jax.random.key(1), (*kernel, 6, 5))
    wanted = lax.conv_general_dilated(
        x, w, (strides, strides), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    ours = convolve.convolve(x, w, strides=strides, padding=padding)
    assert ours.shape == wanted.shape
    error = np.abs(np.asarray(ours) - np.asarray(wanted)).max()
    assert error <= 3e-6 * np.abs(wanted).max()
