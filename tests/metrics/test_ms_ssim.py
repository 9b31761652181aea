import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings

from jaxgan.errors import UsageError
from jaxgan.metrics import ms_ssim, ms_ssim_diversity
from jaxgan.metrics.ms_ssim import WEIGHTS


def smooth(seed: int, shape) -> np.ndarray:
    """Images in [-1, 1] with neighbouring pixels alike."""
    images = np.random.default_rng(seed).uniform(-1, 1, shape)
    for axis in (1, 2):
        images = (images + np.roll(images, 1, axis) + np.roll(images, 2, axis)) / 3
    return images.astype(np.float32)


def noisy(images, seed, sigma=0.1):
    noise = np.random.default_rng(seed).normal(0, sigma, images.shape)
    return np.clip(images + noise, -1, 1).astype(np.float32)


def test_of_equal_images_is_one():
    x = smooth(0, (3, 32, 32, 3))
    np.testing.assert_allclose(ms_ssim(x, x), np.ones(3), rtol=1e-5)


def test_is_symmetric_and_falls_with_noise():
    x = smooth(0, (3, 32, 32, 1))
    scores = [np.asarray(ms_ssim(x, noisy(x, 1, sigma))) for sigma in (0.05, 0.2, 0.8)]
    assert (np.diff(scores, axis=0) < 0).all()
    np.testing.assert_allclose(ms_ssim(noisy(x, 1), x), ms_ssim(x, noisy(x, 1)), rtol=1e-5)


def test_one_scale_is_scikit_images_ssim():
    metrics = pytest.importorskip("skimage.metrics", reason="an independent SSIM")
    x = smooth(0, (2, 30, 24, 3))
    y = noisy(x, 1, 0.3)
    expected = []
    for a, b in zip(x.astype(np.float64), y.astype(np.float64), strict=True):
        _, full = metrics.structural_similarity(
            a + 1,
            b + 1,
            gaussian_weights=True,
            sigma=1.5,
            truncate=5 / 1.5,  # a radius of 5: 11 pixels
            use_sample_covariance=False,
            data_range=2.0,
            channel_axis=-1,
            full=True,
        )
        expected.append(full[5:-5, 5:-5].mean())  # where the window fits
    np.testing.assert_allclose(ms_ssim(x, y, weights=(1.0,)), expected, rtol=1e-4)


def test_five_scales_by_definition():
    """Wang et al. 2003, eq. 7, with SciPy's filters in float64."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="an independent Gaussian filter")
    x = smooth(0, (1, 192, 176, 1))
    y = noisy(x, 1, 0.3)
    a, b = (image[0, :, :, 0].astype(np.float64) for image in (x, y))

    def blur(image):
        return ndimage.gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5]

    expected = 1.0
    for scale, weight in enumerate(WEIGHTS):
        mean_a, mean_b = blur(a), blur(b)
        variances = blur(a * a) + blur(b * b) - mean_a**2 - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        value = (2 * covariance + 0.06**2) / (variances + 0.06**2)
        if scale == 4:
            mean_a, mean_b = mean_a + 1, mean_b + 1  # from the lower end of [-1, 1]
            value *= (2 * mean_a * mean_b + 0.02**2) / (mean_a**2 + mean_b**2 + 0.02**2)
        expected *= value.mean() ** weight
        a, b = (
            (image[:-1:2, :-1:2] + image[1::2, :-1:2] + image[:-1:2, 1::2] + image[1::2, 1::2]) / 4
            for image in (a, b)
        )
    np.testing.assert_allclose(ms_ssim(x, y), [expected], rtol=1e-5)


def test_limits_only_name_the_scale():
    x = smooth(0, (2, 20, 20, 1))
    y = noisy(x, 1)
    bytes_ = [(image + 1) * 127.5 for image in (x, y)]
    np.testing.assert_allclose(ms_ssim(*bytes_, limits=(0, 255)), ms_ssim(x, y), rtol=1e-4)


@settings(max_examples=5)
@given(seed=st.integers(0, 99))
def test_of_unrelated_images_is_a_number_from_zero_to_one(seed):
    """Structure may be negative on average, and a fractional power of that is undefined."""
    x = smooth(seed, (4, 16, 16, 1))
    scores = np.asarray(ms_ssim(x, -x))
    assert (scores == 0).all()
    scores = np.asarray(ms_ssim(x, smooth(seed + 100, x.shape)))
    assert ((scores >= 0) & (scores < 1)).all()


def test_diversity_is_the_mean_over_pairs_of_different_images():
    images = np.repeat(smooth(0, (2, 16, 16, 1)), [1, 1], axis=0)
    pair = np.asarray(ms_ssim(images[:1], images[1:]))
    diversity = ms_ssim_diversity(images, pairs=100)  # both orders, never an image and itself
    assert diversity.mean == pytest.approx(float(pair[0]), rel=1e-4)
    assert diversity.standard_error < 1e-6
    same = ms_ssim_diversity(np.repeat(images[:1], 9, axis=0), pairs=70)
    assert same.mean == pytest.approx(1.0, rel=1e-5)


def test_diversity_repeats_with_its_seed():
    images = smooth(0, (20, 16, 16, 1))
    first = ms_ssim_diversity(jax.numpy.asarray(images), pairs=64, rng=1)
    assert first == ms_ssim_diversity(images, pairs=64, rng=1)
    assert first != ms_ssim_diversity(images, pairs=64, rng=2)


def test_says_what_is_wrong():
    x = smooth(0, (2, 15, 20, 1))
    with pytest.raises(UsageError, match="images of 15 x 20 pixels are too small for 5 scales"):
        ms_ssim(x, x)
    with pytest.raises(UsageError, match=r"x and y must both be \[B, H, W, C\]"):
        ms_ssim(x, x[:1])
    with pytest.raises(UsageError, match=r"\[N, H, W, C\] with N at least 2"):
        ms_ssim_diversity(x[:1])
    with pytest.raises(UsageError, match="images holds NaN"):
        ms_ssim_diversity(x * np.nan)
