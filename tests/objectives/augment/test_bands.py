"""The filter bank of ADA against SciPy's filters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.objectives.augment.bands import (
    POWER,
    amplified,
    filter_bands,
    filter_bank,
    gains_of,
)

signal = pytest.importorskip("scipy.signal", reason="SciPy filters for comparison")


def test_bands_add_up_to_nothing_done_and_are_where_they_should_be():
    bank = filter_bank()
    np.testing.assert_allclose(bank.sum(axis=0), np.eye(1, 43, 21)[0], atol=1e-12)
    np.testing.assert_allclose(bank, bank[:, ::-1], atol=1e-12)
    edges = np.array([0, 1 / 8, 1 / 4, 1 / 2, 1]) * np.pi
    middles = (edges[1:] + edges[:-1]) / 2
    middles[[0, -1]] = 0, np.pi
    for band, taps in enumerate(bank):
        _, response = signal.freqz(taps, worN=middles)
        assert np.abs(response).argmax() == band
        assert np.abs(response[band]) > 0.5
        _, ends = signal.freqz(taps, worN=[0, np.pi])
        np.testing.assert_allclose(np.abs(ends), [band == 0, band == 3], atol=1e-9)


@pytest.mark.parametrize("shape", [(9, 12), (30, 24)])
def test_filtered_images_are_those_of_scipy(shape):
    """Mirrored borders, over and over where the filter is longer than the picture."""
    rng = np.random.default_rng(0)
    images, gains = rng.normal(size=(2, *shape, 2)), rng.uniform(0.2, 3, size=(2, 4))
    found = amplified(jnp.float32(images), jnp.float32(gains))
    for image, gain, ours in zip(images, gains, found, strict=True):
        taps = gain @ filter_bank()
        padded = np.pad(image, ((21, 21), (21, 21), (0, 0)), mode="reflect")
        kernel = np.outer(taps, taps)[..., None]
        np.testing.assert_allclose(ours, signal.convolve(padded, kernel, "valid"), atol=1e-4)


@given(st.integers(0, 3), st.floats(0.1, 8))
def test_one_band_s_gain_keeps_the_expected_power(band, gain):
    own = jnp.ones((1, 4)).at[0, band].set(gain)
    gains = np.asarray(gains_of(own))[0]
    np.testing.assert_allclose(POWER @ gains**2, 1.0, rtol=1e-5)
    np.testing.assert_allclose(gains[band] / gains[(band + 1) % 4], gain, rtol=1e-5)


def test_bands_draw_by_themselves():
    images = jax.random.normal(jax.random.key(0), (400, 6, 6, 1))
    found = jax.jit(filter_bands)(images, jax.random.key(1), 0.25)
    same = jnp.all(found == images, axis=(1, 2, 3)).mean()
    np.testing.assert_allclose(same, 0.75**4, atol=0.08)
