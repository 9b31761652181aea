"""Up- and downsampling against SciPy's, and in one operation against two."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.networks import conv
from jaxgan.networks.resample import (
    TAPS,
    conv_downsample,
    downsample,
    upfirdn,
    upsample,
    upsample_conv,
)

signal = pytest.importorskip("scipy.signal", reason="the reference of filters")


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def on_axis(line, taps, up, down, pad):
    """One line: SciPy filters without padding, and ends after the last sample that is not 0."""
    spread = np.zeros(len(line) * up)
    spread[::up] = line
    before, after = pad
    spread = np.pad(spread, (max(before, 0), max(after, 0)))
    spread = spread[max(-before, 0) : len(spread) - max(-after, 0)]
    whole = signal.upfirdn(taps, spread)  # all, where padding would be needed too
    return whole[len(taps) - 1 : len(spread)][::down]


@settings(max_examples=15)
@given(
    size=st.tuples(st.integers(4, 7), st.integers(4, 7)),
    taps=st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=5),
    up=st.integers(1, 3),
    down=st.integers(1, 3),
    pad=st.tuples(st.integers(-2, 4), st.integers(-2, 4)),
)
def test_upfirdn_is_scipys_on_both_axes(size, taps, up, down, pad):
    x = normal(0, 2, *size, 3)
    if min(size) * up + sum(pad) < len(taps):
        with pytest.raises(ValueError, match="fewer than"):
            upfirdn(x, taps, up=up, down=down, pad=pad)
        return
    expected = x.astype(np.float64)
    for axis in (1, 2):
        expected = np.apply_along_axis(on_axis, axis, expected, taps, up, down, pad)
    found = upfirdn(jnp.asarray(x), taps, up=up, down=down, pad=pad)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_sampling_by_two_is_the_plain_two_dimensional_convolution():
    """Zeros between, or every other value, with the outer product of the taps."""
    x, kernel = normal(1, 4, 6), np.outer(TAPS, TAPS)
    spread = np.zeros((8, 12))
    spread[::2, ::2] = x
    up = signal.convolve2d(np.pad(spread, ((2, 1), (2, 1))), 4 * kernel, mode="valid")
    np.testing.assert_allclose(upsample(x[None, :, :, None])[0, :, :, 0], up, atol=1e-5)
    down = signal.convolve2d(np.pad(x, 1), kernel, mode="valid")[::2, ::2]
    np.testing.assert_allclose(downsample(x[None, :, :, None])[0, :, :, 0], down, atol=1e-5)


def test_a_constant_stays_one_within():
    x = jnp.ones((1, 6, 8, 2))
    np.testing.assert_allclose(upsample(x)[:, 2:-2, 2:-2], 1.0, rtol=1e-6)
    np.testing.assert_allclose(downsample(x)[:, 1:-1, 1:-1], 1.0, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 3])
def test_a_convolution_and_its_filter_are_one_operation(size):
    x, w = jnp.asarray(normal(2, 2, 6, 4, 3)), jnp.asarray(normal(3, size, size, 3, 5))
    reach = (size + 1) // 2
    filtered = upfirdn(x, TAPS, pad=(reach, reach))
    two = conv.conv(filtered, w, strides=2, padding="VALID")
    chex.assert_trees_all_close(conv_downsample(x, w), two, atol=1e-5)
    assert two.shape == (2, 3, 2, 5)
    if size == 3:
        spread = conv.conv_transpose(x, w, strides=2, padding=2)
        two = upfirdn(spread, [2 * tap for tap in TAPS], pad=(1, 1))
        chex.assert_trees_all_close(upsample_conv(x, w), two, atol=1e-5)
        assert two.shape == (2, 12, 8, 5)


def test_second_derivatives_are_those_of_differences():
    """Of a function that bends, through everything that resamples."""
    x, w = jnp.asarray(normal(4, 1, 4, 4, 2)), jnp.asarray(normal(5, 3, 3, 2, 2))
    direction = jnp.asarray(normal(6, 1, 4, 4, 2))

    def f(x):
        up = jnp.tanh(upsample_conv(x, w)) + upsample(x) ** 2
        return jnp.sum(jnp.sin(conv_downsample(up, w)) + downsample(up) ** 2)

    slope = jax.jit(lambda x: jnp.vdot(jax.grad(f)(x), direction))
    exact = jnp.vdot(jax.grad(slope)(x), direction)
    forward = jax.jvp(slope, (x,), (direction,))[1]
    np.testing.assert_allclose(forward, exact, rtol=1e-4)
    step = 1e-2
    ahead, behind = slope(x + step * direction), slope(x - step * direction)
    np.testing.assert_allclose(exact, (ahead - behind) / (2 * step), rtol=2e-2)


def test_the_adjoint_is_one_and_mapping_is_a_batch():
    """<y, F x> = <F^T y, x>, and an axis that is mapped over is examples."""
    for options in ({"up": 2, "pad": (2, 1)}, {"down": 2, "pad": (1, 1)}, {"up": 3, "down": 2}):
        run = lambda x, options=options: upfirdn(x, [1.0, -2.0, 0.5, 3.0], **options)
        x = jnp.asarray(normal(7, 3, 1, 5, 6, 2))
        y = jax.vmap(run)(x)
        chex.assert_trees_all_close(y[:, 0], run(x[:, 0]), atol=1e-5)
        other = jnp.asarray(normal(8, *y.shape[1:]))
        (back,) = jax.linear_transpose(run, x[0])(other)
        np.testing.assert_allclose(jnp.vdot(other, y[0]), jnp.vdot(back, x[0]), rtol=1e-4)
