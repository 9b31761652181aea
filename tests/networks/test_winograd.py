"""Winograd's form equals the plain one for every geometry that it takes, odd sides too."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.networks import winograd
from jaxgan.networks.conv import conv
from jaxgan.networks.conv_forms import (
    Geometry,
    native_conv,
    native_input_grad,
    native_weight_grad,
    prefers_winograd,
)


@st.composite
def geometries(draw):
    axes = []
    for _ in range(2):
        r, s = draw(st.sampled_from([2, 3])), draw(st.integers(1, 3))
        low, high = draw(st.integers(-1, 3)), draw(st.integers(-1, 3))
        kernel = draw(st.integers((r - 1) * s + 1, r * s))
        size = draw(st.integers(max(kernel - low - high, 2), 14))
        axes.append((s, (low, high), size, kernel))
    strides, padding, size, kernel = zip(*axes, strict=True)
    return Geometry(strides, padding, (1, 1), 1, size, kernel)


def close(a, b):
    """Within 1e-5 of the largest entry: sums of the same products in another order."""
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1e-3))


@settings(max_examples=6)
@given(geometry=geometries())
def test_all_three_operations(geometry):
    assert winograd.applies(geometry)
    x, w, y = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate(
            (
                (2, *geometry.input_size, 3),
                (*geometry.kernel_size, 3, 4),
                (2, *geometry.output_size, 4),
            )
        )
    )

    @jax.jit
    def both(x, w, y):
        ours = winograd.conv, winograd.input_grad, winograd.weight_grad
        native = native_conv, native_input_grad, native_weight_grad
        operands = (x, w), (y, w), (x, y)
        return [
            (fast(*pair, geometry), plain(*pair, geometry=geometry))
            for fast, plain, pair in zip(ours, native, operands, strict=True)
        ]

    for fast, plain in both(x, w, y):
        close(fast, plain)


@pytest.mark.parametrize(
    ("strides", "size", "kernel", "share"),
    [(2, 16, 4, 9 / 16), (1, 32, 3, 16 / 36), (2, 28, 5, 0.64), (2, 14, 4, (8 / 7) ** 2 * 9 / 16)],
)
def test_products_that_are_saved(strides, size, kernel, share):
    low = (kernel - strides) // 2
    padding = ((low, kernel - strides - low),) * 2
    geometry = Geometry((strides,) * 2, padding, (1, 1), 1, (size,) * 2, (kernel,) * 2)
    np.testing.assert_allclose(winograd.products(geometry), share)


@pytest.mark.parametrize("r", winograd.FILTERS)
def test_one_dimension_by_hand(r):
    """y = A^T [(G w) * (B^T x)] makes two outputs of a filter of length r."""
    transform, kernel, output = map(np.array, winograd.FILTERS[r])
    x, w = np.arange(1.0, r + 2) ** 2, np.arange(2.0, r + 2)
    y = output @ ((kernel @ w) * (transform @ x))
    np.testing.assert_allclose(y, [x[:r] @ w, x[1:] @ w])


def test_convolutions_use_it_where_it_pays():
    """The DCGAN's inner layers do, and what it computes is what `conv` returns there."""
    inner = Geometry((2, 2), ((1, 1), (1, 1)), (1, 1), 1, (16, 16), (4, 4))
    prefers = partial(prefers_winograd, inner)
    assert prefers(8, 64, 128, jnp.dtype("float32"))
    assert not prefers(2, 64, 128, jnp.dtype("float32"))  # little work
    assert not prefers(64, 3, 64, jnp.dtype("float32"))  # few features
    assert not prefers(8, 64, 128, jnp.dtype("bfloat16"))  # its differences need the digits
    x = jax.random.normal(jax.random.key(0), (8, 16, 16, 64))
    w = jax.random.normal(jax.random.key(1), (4, 4, 64, 128))
    program = jax.jit(lambda x, w: conv(x, w, strides=2)).lower(x, w).as_text()
    assert "dot_general" in program and "convolution" not in program
    close(conv(x, w, strides=2), native_conv(x, w, geometry=inner))
