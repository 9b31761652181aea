"""Colour transformations against their matrices, in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment import color
from jaxgan.objectives.augment.affine import compose

KEY = jax.random.key(5)
GREY = np.ones(3) / np.sqrt(3)
DRAWS = np.array([-1.2, 0.0, 0.7], np.float32)


def square(linear, constant=0.0):
    whole = np.eye(4)
    whole[:3, :3] = linear
    whole[:3, 3] = constant
    return whole


def turned(angle):
    rotation = pytest.importorskip("scipy.spatial.transform", reason="SciPy turns for comparison")
    return rotation.Rotation.from_rotvec(angle * GREY).as_matrix()


def with_eigenvalue(along, across):
    """The matrix with eigenvalue `along` of grey and `across` of all that is orthogonal to it."""
    basis = np.linalg.qr(np.stack([GREY, [1, 0, 0], [0, 1, 0]], axis=1))[0]
    return basis @ np.diag([along, across, across]) @ basis.T


CLOSED = {
    "brightness": (color.brightness, lambda b: square(np.eye(3), b)),
    "contrast": (color.contrast, lambda c: square(c * np.eye(3))),
    "luma_flip": (
        lambda d: color.luma_flip(d > 0), lambda d: square(with_eigenvalue(-1 if d > 0 else 1, 1))
    ),
    "hue": (color.hue, lambda angle: square(turned(angle))),
    "saturation": (color.saturation, lambda s: square(with_eigenvalue(1, s))),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_matrices_are_those_of_the_closed_form(name):
    found, expected = CLOSED[name]
    matrices = found(jnp.asarray(DRAWS))
    np.testing.assert_allclose(matrices, [expected(d) for d in DRAWS], atol=1e-6)


def test_what_changes_nothing_is_the_identity_to_the_bit():
    zero = jnp.zeros(2)
    matrices = (color.brightness(zero), color.contrast(zero + 1), color.luma_flip(zero > 0),
                color.hue(zero), color.saturation(zero + 1))  # fmt: skip
    np.testing.assert_array_equal(compose(*matrices), np.broadcast_to(np.eye(4), (2, 4, 4)))


def test_pixels_go_through_their_image_s_matrix():
    rng = np.random.default_rng(0)
    images, matrices = rng.normal(size=(2, 3, 5, 3)), rng.normal(size=(2, 4, 4))
    ones = np.concatenate([images, np.ones((2, 3, 5, 1))], axis=-1)
    expected = np.einsum("bij,bhwj->bhwi", matrices, ones)[..., :3]
    found = color.recolored(jnp.float32(images), jnp.float32(matrices))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_pictures_are_recoloured_by_one_affine_map_an_image(channels):
    """Recovered by least squares; RGB alone is mixed, and grey alone can be turned to negative."""
    count = 400
    images = jax.random.normal(KEY, (1, 4, 8, channels))
    images = jnp.broadcast_to(images, (count, *images.shape[1:]))
    found = np.asarray(jax.jit(color.recolor)(images, KEY, 1.0)).reshape(count, -1, channels)
    pixels = np.asarray(images[0]).reshape(-1, channels)
    known = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
    maps = np.stack([np.linalg.lstsq(known, image, rcond=None)[0].T for image in found])
    np.testing.assert_allclose(np.einsum("bij,pj->bpi", maps, known), found, atol=1e-3)
    linear, constant = maps[..., :-1], maps[..., -1]
    assert np.all(np.ptp(constant, axis=1) < 1e-3)  # grey stays grey
    if channels != 3:
        factor = linear[:, :1, :1]
        np.testing.assert_allclose(linear, factor * np.eye(channels), atol=1e-3)
        np.testing.assert_allclose((factor < 0).mean(), 0.5 * (channels == 1), atol=0.1)
        np.testing.assert_allclose(np.log2(np.abs(factor)).std(), 0.5, rtol=0.15)
        np.testing.assert_allclose((constant / factor[..., 0]).std(), 0.2, rtol=0.15)
    else:
        lightness = linear @ GREY @ GREY
        np.testing.assert_allclose((lightness < 0).mean(), 0.5, atol=0.1)
        np.testing.assert_allclose(np.log2(np.abs(lightness)).std(), 0.5, rtol=0.15)
        # The square of saturation times contrast is the determinant over the lightness.
        rich = np.log2(np.linalg.det(linear) / lightness) / 2 - np.log2(np.abs(lightness))
        np.testing.assert_allclose(rich.std(), 1.0, rtol=0.15)
