"""Affine warps against SciPy's, and the filter that they resample by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment import affine
from jaxgan.objectives.augment.warp import DELAY, SYM6, down_matrix, up_matrix, warp

ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy warps for comparison")
signal = pytest.importorskip("scipy.signal", reason="SciPy filters for comparison")
SIZE = 16
WARP = jax.jit(warp)


def smooth(height=SIZE, width=SIZE):
    """Waves of at least a picture's length, smooth over the mirrored border too."""
    y, x = (np.pi * np.arange(n) / (n - 1) for n in (height, width))
    wave = lambda down, right: np.cos(down * y)[:, None] * np.cos(right * x)
    return np.stack([wave(1, 0), wave(1, 2), wave(2, 1)], axis=-1).astype(np.float32)


def by_scipy(image, matrix):
    """Quintic splines with mirrored borders; SciPy counts (row, column) from the corner."""
    linear, shift = matrix[:2, :2][::-1, ::-1], matrix[:2, 2][::-1]
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre + shift - linear @ centre
    planes = np.moveaxis(image, -1, 0)
    warped = [ndimage.affine_transform(p, linear, offset, order=5, mode="mirror") for p in planes]
    return np.stack(warped, axis=-1)


MAPS = {
    "nothing": affine.translate(0.0, 0.0),
    "a shift": affine.translate(1.3, -2.6),
    "a turn": affine.rotate(0.7),
    "a quarter": affine.rotate(np.pi / 2),
    "a mirror image": affine.scale(-1.0, 1.0),
    "smaller": affine.scale(1.4, 1.4),
    "all": affine.compose(
        affine.scale(0.8, 0.8), affine.rotate(-2.0), affine.scale(1.2, 1 / 1.2),
        affine.translate(3.1, 1.7),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (12, SIZE)])
def test_warps_of_smooth_images_are_those_of_scipy(shape):
    image = smooth(*shape)
    images = np.broadcast_to(image, (len(MAPS), *image.shape))
    warped = WARP(images, jnp.stack(list(MAPS.values())))
    for (name, matrix), found in zip(MAPS.items(), warped, strict=True):
        np.testing.assert_allclose(
            found, by_scipy(image, np.asarray(matrix)), atol=0.03, err_msg=name
        )


def test_what_is_not_moved_or_by_whole_pixels_comes_back_as_it_was():
    """Up and down by an orthogonal filter undo each other, on any image; shifted ones inside."""
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE, 3)).astype(np.float32)
    shifts = [(0, 0), (2, -1), (-3, 3)]
    matrices = jnp.stack([affine.translate(float(x), float(y)) for x, y in shifts])
    still, *moved = WARP(np.broadcast_to(image, (len(shifts), *image.shape)), matrices)
    np.testing.assert_allclose(still, image, atol=1e-5)
    for (x, y), found in zip(shifts[1:], moved, strict=True):
        expected = np.roll(image, (-y, -x), axis=(0, 1))
        np.testing.assert_allclose(found[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1e-5)


def test_straight_lines_are_warped_exactly():
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    ramp = np.stack([x, y], axis=-1)[None].astype(np.float32)
    matrix = np.asarray(affine.compose(affine.rotate(0.4), affine.translate(0.3, -0.2)))
    found = WARP(ramp, matrix[None])[0]
    expected = np.einsum("ij,hwj->hwi", matrix[:2, :2], ramp[0]) + matrix[:2, 2]
    inner = slice(6, -6)
    np.testing.assert_allclose(found[inner, inner], expected[inner, inner], atol=1e-4)


def test_the_filter_is_orthogonal_to_its_even_shifts_with_six_vanishing_moments():
    products = np.correlate(SYM6, SYM6, "full")[1::2]
    np.testing.assert_allclose(products, np.eye(1, len(products), len(products) // 2)[0], atol=1e-9)
    np.testing.assert_allclose(SYM6.sum(), np.sqrt(2), atol=1e-9)
    taps = np.arange(len(SYM6)) - DELAY
    for moment in range(6):
        assert abs(((-1) ** np.arange(len(SYM6)) * taps**moment * SYM6).sum()) < 1e-6


@pytest.mark.parametrize("size", [5, 8])
def test_resampling_is_that_of_scipy(size):
    line = np.random.default_rng(1).normal(size=size)
    pad = 8
    padded = np.pad(line, pad, mode="reflect")
    fine = np.sqrt(2) * signal.upfirdn(SYM6, padded, up=2)[2 * pad :][: 2 * size + 10]
    np.testing.assert_allclose(up_matrix(size) @ line, fine, atol=1e-5)
    whole = np.random.default_rng(2).normal(size=2 * size + 10)
    coarse = signal.upfirdn(SYM6[::-1], whole, down=1)[len(SYM6) - 1 :][: 2 * size : 2]
    np.testing.assert_allclose(down_matrix(size) @ whole, coarse / np.sqrt(2), atol=1e-5)


def test_a_line_of_one_sample_is_constant():
    one = jnp.full((1, 1, 4, 1), 0.3)
    np.testing.assert_allclose(WARP(one, affine.rotate(0.3)[None]), one, atol=1e-5)


def test_geometry_is_drawn_as_published():
    count, height, width, p = 4000, 10, 20, 0.4
    draw = jax.jit(affine.random_inverse, static_argnums=(2, 3, 4))
    matrices, happens = draw(jax.random.key(0), p, count, height, width)
    # Scale, stretch, shift, and one or both turns.
    np.testing.assert_allclose(happens.mean(), 1 - (1 - p) ** 4, atol=0.03)
    matrices = np.asarray(matrices, np.float64)
    np.testing.assert_array_equal(
        matrices[~happens], np.broadcast_to(np.eye(3), (sum(~happens), 3, 3))
    )
    linear, shift = matrices[:, :2, :2], matrices[:, :2, 2]
    zoom = np.log2(np.linalg.det(linear)) / 2
    scaled = np.abs(zoom) > 1e-5
    np.testing.assert_allclose(scaled.mean(), p, atol=0.03)
    np.testing.assert_allclose(zoom[scaled].std(), 0.2, rtol=0.1)
    stretch = np.log2(np.divide(*np.linalg.svd(linear, compute_uv=False).T)) / 2
    stretched = stretch > 1e-5
    np.testing.assert_allclose(stretched.mean(), p, atol=0.03)
    np.testing.assert_allclose(np.sqrt((stretch[stretched] ** 2).mean()), 0.2, rtol=0.1)
    turned = np.abs(linear[:, 0, 1]) > 1e-5
    np.testing.assert_allclose(turned.mean(), p, atol=0.03)
    forward = np.linalg.inv(matrices)[:, :2, 2]
    moved = np.abs(shift).max(axis=1) > 0
    np.testing.assert_allclose(moved.mean(), p, atol=0.03)
    np.testing.assert_allclose(forward[moved].std(axis=0), (width / 8, height / 8), rtol=0.1)
