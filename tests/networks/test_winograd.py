"""Winograd's form equals the plain one for every geometry that it takes, odd sides too."""

from functools import partial
from unittest import mock

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
def tilings(draw):
    axes, outputs = [], []
    for _ in range(2):
        m, r = draw(st.sampled_from(list(winograd.FILTERS)))
        outputs.append(m)
        s = draw(st.integers(1, 3))
        low, high = draw(st.integers(-1, 3)), draw(st.integers(-1, 3))
        kernel = draw(st.integers((r - 1) * s + 1, r * s))
        size = draw(st.integers(max(kernel - low - high, 2), 14))
        axes.append((s, (low, high), size, kernel))
    strides, padding, size, kernel = zip(*axes, strict=True)
    geometry = Geometry(strides, padding, (1, 1), 1, size, kernel)
    return winograd.Tiling(geometry, tuple(outputs))


def close(a, b):
    """Within 1e-5 of the largest entry: sums of the same products in another order."""
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1e-3))


@settings(max_examples=6)
@given(tiling=tilings())
def test_all_three_operations(tiling):
    geometry = tiling.geometry
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

    with mock.patch.object(winograd, "best", lambda *_: tiling):
        results = both(x, w, y)
    for fast, plain in results:
        close(fast, plain)


@pytest.fixture
def own_cores(monkeypatch):
    """Each device has one."""
    monkeypatch.setattr(winograd, "cores", lambda: 1)


@pytest.mark.parametrize(
    ("strides", "size", "kernel", "features", "outputs", "products"),
    [
        (1, 32, 3, 64, (4, 4), 36 / 144),
        (2, 32, 3, 64, (4, 4), 25 / 36),
        (1, 2, 3, 64, (2, 2), 16 / 36),  # there are no more
        (2, 16, 4, 64, (2, 2), 9 / 16),
        (2, 28, 5, 64, (2, 2), 0.64),
        (2, 14, 4, 64, (2, 2), (8 / 7) ** 2 * 9 / 16),
    ],
)
def test_the_cheapest_tiles(strides, size, kernel, features, outputs, products, own_cores):
    """Of how many outputs, and what share of the definition's products they take."""
    low = (kernel - strides) // 2
    padding = ((low, kernel - strides - low),) * 2
    geometry = Geometry((strides,) * 2, padding, (1, 1), 1, (size,) * 2, (kernel,) * 2)
    tiling = winograd.best(geometry, 64, features, features)
    assert tiling.outputs == outputs
    np.testing.assert_allclose(winograd.share(tiling), products)
    assert products < winograd.cost(tiling, 64, features, features) < 2


@pytest.mark.parametrize(("m", "r"), winograd.FILTERS)
def test_one_dimension_by_hand(m, r):
    """y = A^T [(G w) * (B^T x)] makes m outputs of a filter of length r."""
    transform, kernel, output = map(np.array, winograd.FILTERS[m, r])
    x, w = np.arange(1.0, m + r) ** 2, np.arange(2.0, r + 2)
    y = output @ ((kernel @ w) * (transform @ x))
    np.testing.assert_allclose(y, [x[n : n + r] @ w for n in range(m)])


@pytest.mark.parametrize("strides", [1, 2])
def test_what_rounding_costs(strides, own_cores, optimized, enable_x64):
    """The error's standard deviation over that of the result, against float64."""
    size = 8 * strides
    geometry = Geometry((strides,) * 2, ((1, 1),) * 2, (1, 1), 1, (size,) * 2, (3, 3))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, size, size, 128)).astype("float32")
    w = rng.standard_normal((3, 3, 128, 16)).astype("float32")
    ours = jax.jit(winograd.conv, static_argnums=2)(x, w, geometry)
    with enable_x64(True):
        exact = native_conv(x.astype("float64"), w.astype("float64"), geometry=geometry)
        exact = np.asarray(exact)
    assert np.std(ours - exact) / np.std(exact) < 2e-6


@pytest.mark.parametrize(
    ("batch", "devices", "expected"),
    [(6, 1, (1, 3, 2)), (7, 1, (1, 7, 1)), (12, 2, (2, 3, 2)), (7, 2, (1, 7, 1))],
)
def test_parts_of_the_batch_make_the_whole(batch, devices, expected, monkeypatch, own_cores):
    """expected: devices, parts, images of a part on a device."""
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1, (5, 9), (3, 3))
    keys = jax.random.split(jax.random.key(0), 3)
    x, y = (jax.random.normal(key, (batch, 5, 9, 4)) for key in keys[:2])
    w = jax.random.normal(keys[2], (3, 3, 4, 4))
    monkeypatch.setattr(jax, "device_count", lambda: devices)

    def all_three(cached):
        monkeypatch.setattr(winograd, "CACHED", cached)
        tiling = winograd.best(geometry, batch, 4, 4)
        found = [winograd.conv(x, w, geometry), winograd.input_grad(y, w, geometry)]
        found.append(winograd.weight_grad(x, y, geometry))
        return winograd._parts(tiling, batch, 4, 4), found

    whole, plain = all_three(2**20)
    parts, divided = all_three(4000)
    assert whole[1] == 1 and parts == expected
    for a, b in zip(divided, plain, strict=True):
        close(a, b)


def test_cores_that_share_a_device_have_small_tiles_and_no_parts(monkeypatch):
    monkeypatch.setattr(winograd, "cores", lambda: 1 + jax.local_device_count())
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1, (32, 32), (3, 3))
    tiling = winograd.best(geometry, 64, 64, 64)
    assert tiling.outputs == (2, 2)
    assert winograd._parts(tiling, 64, 64, 64) == (1, 1, 64)
    assert prefers_winograd(geometry, 64, 64, 64, jnp.dtype("float32"))
    assert not prefers_winograd(geometry, 64, 24, 64, jnp.dtype("float32"))  # few features
    monkeypatch.setattr(winograd, "cores", lambda: 1)
    assert prefers_winograd(geometry, 64, 24, 64, jnp.dtype("float32"))


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
