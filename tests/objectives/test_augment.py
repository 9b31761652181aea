import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment import AUGMENTS, instance_noise

KEY = jax.random.key(0)
IMAGES = jnp.linspace(-1, 1, 2 * 4 * 4 * 3).reshape(2, 4, 4, 3)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", AUGMENTS)
def test_every_augmentation_keeps_shape_and_dtype_and_follows_its_key(name, dtype):
    augment, images = jax.jit(AUGMENTS[name]), IMAGES.astype(dtype)
    once, again = augment(images, KEY, 0), augment(images, KEY, 0)
    chex.assert_trees_all_equal_shapes_and_dtypes(once, images)
    chex.assert_trees_all_equal(once, again)
    assert jnp.any(once != augment(images, jax.random.key(1), 0))


@pytest.mark.parametrize("name", AUGMENTS)
def test_every_augmentation_passes_gradients_to_the_images(name):
    gradient = jax.grad(lambda images: AUGMENTS[name](images, KEY, 0).sum())(IMAGES)
    chex.assert_tree_all_finite(gradient)
    assert jnp.any(gradient != 0)


@pytest.mark.parametrize("step, sigma", [(0, 0.4), (25, 0.3), (50, 0.2), (75, 0.1)])
def test_noise_falls_linearly(step, sigma):
    noise = instance_noise(jnp.zeros((64, 16, 16, 1)), KEY, step, sigma=0.4, until=100)
    np.testing.assert_allclose(noise.std(), sigma, rtol=0.02)
    np.testing.assert_allclose(noise.mean(), 0.0, atol=0.02)


@pytest.mark.parametrize("step", [100, 101, 10_000])
def test_noise_ends(step):
    chex.assert_trees_all_equal(instance_noise(IMAGES, KEY, step, sigma=0.4, until=100), IMAGES)


def test_noise_without_an_end_is_constant():
    first, last = (instance_noise(IMAGES, KEY, step) for step in (0, 10**6))
    chex.assert_trees_all_equal(first, last)
    assert jnp.any(first != IMAGES)


def test_a_traced_step_gives_the_same_noise():
    traced = jax.jit(lambda step: instance_noise(IMAGES, KEY, step, until=100))(jnp.int32(30))
    chex.assert_trees_all_close(traced, instance_noise(IMAGES, KEY, 30, until=100), atol=1e-6)


@pytest.mark.parametrize("kwargs", [{"sigma": -0.1}, {"until": -1}])
def test_negative_settings_are_refused(kwargs):
    with pytest.raises(ValueError, match="at least 0"):
        instance_noise(IMAGES, KEY, 0, **kwargs)
