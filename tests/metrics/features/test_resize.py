import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jaxgan.errors import UsageError
from jaxgan.metrics.features.resize import RESIZES, quantize, resize

SIZES = [((28, 28), 299), ((32, 32), 299), ((64, 48), 299), ((7, 9), 8), ((90, 75), 32)]
PILLOW = {
    "pil_bilinear": Image.Resampling.BILINEAR,
    "pil_bicubic": Image.Resampling.BICUBIC,
    "pil_lanczos": Image.Resampling.LANCZOS,
}


def pixels(size, batch=2, channels=3) -> np.ndarray:
    generator = np.random.default_rng(size)
    return generator.integers(0, 256, (batch, *size, channels)).astype(np.float32)


@pytest.mark.parametrize("size, out", SIZES)
@pytest.mark.parametrize("filter", PILLOW)
def test_equals_pillow(filter, size, out):
    images = pixels(size)
    ours = np.asarray(resize(images, out, filter))
    for image, got in zip(images, ours, strict=True):
        for channel in range(3):
            plane = Image.fromarray(image[..., channel]).resize((out, out), PILLOW[filter])
            np.testing.assert_allclose(got[..., channel], np.asarray(plane), atol=1e-4)


@pytest.mark.parametrize("size, out", SIZES)
def test_half_pixel_equals_torch(size, out):
    """Builds of PyTorch differ among themselves by 5e-4: with fused multiply-add, or without."""
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    images = pixels(size)
    theirs = torch.nn.functional.interpolate(
        torch.tensor(images.transpose(0, 3, 1, 2)), (out, out), mode="bilinear"
    )
    ours = resize(images, out, "half_pixel")
    np.testing.assert_allclose(ours, theirs.numpy().transpose(0, 2, 3, 1), atol=1e-3)


@pytest.mark.parametrize("size, out", SIZES)
def test_tf1_equals_torch_fidelity(size, out):
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    theirs = pytest.importorskip(
        "torch_fidelity.interpolate_compat_tensorflow", reason="parity needs torch-fidelity"
    ).interpolate_bilinear_2d_like_tensorflow1x
    images = pixels(size)
    wanted = theirs(torch.tensor(images.transpose(0, 3, 1, 2)), (out, out), align_corners=False)
    ours = resize(images, out, "tf1")
    np.testing.assert_allclose(ours, wanted.numpy().transpose(0, 2, 3, 1), atol=1e-4)


def test_tf1_reads_from_the_left_corner():
    """4 -> 8: even places are pixels, odd ones the mean of two, the last pixel goes on."""
    row = jnp.array([0.0, 2.0, 4.0, 8.0])
    image = jnp.broadcast_to(row[None, None, :, None], (1, 4, 4, 1))
    expected = jnp.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 8.0])
    chex.assert_trees_all_close(resize(image, 8, "tf1")[0, 0, :, 0], expected)


@given(st.integers(1, 40), st.integers(1, 40))
def test_every_filter_keeps_a_plain_image(size, out):
    for make in RESIZES.values():
        matrix = make(size, out)
        assert matrix.shape == (out, size)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("filter", RESIZES)
def test_same_size_is_the_same_image(filter):
    images = pixels((9, 9))
    np.testing.assert_allclose(resize(images, 9, filter), images)
    np.testing.assert_allclose(RESIZES[filter](9, 9), np.eye(9), atol=1e-7)


def test_unknown_filter():
    with pytest.raises(UsageError, match="did you mean 'pil_bicubic'"):
        resize(pixels((4, 4)), 8, "pil_bicubc")


def test_quantize():
    x = jnp.array([-1.5, -1.0, -0.9999, 0.0, 0.003, 1.0, 2.0])
    chex.assert_trees_all_equal(
        quantize(x), jnp.array([0, 0, 0, 128, 128, 255, 255], dtype=jnp.uint8)
    )


def test_quantize_undoes_the_scaling_of_bytes():
    levels = jnp.arange(256, dtype=jnp.uint8)
    chex.assert_trees_all_equal(quantize((levels.astype(jnp.float32) * 2 - 255) / 255), levels)


def test_quantize_is_monotone():
    x = jnp.sort(jax.random.uniform(jax.random.key(0), (1000,), minval=-1.2, maxval=1.2))
    assert (jnp.diff(quantize(x).astype(int)) >= 0).all()
