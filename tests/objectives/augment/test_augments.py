"""What holds for every augmentation, and noise."""

from functools import partial

import chex
import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment import AUGMENTS, instance_noise
from jaxgan.schema import augmentation

KEY = jax.random.key(0)
IMAGES = jnp.linspace(-1, 1, 2 * 6 * 6 * 3).reshape(2, 6, 6, 3)
EVERYTHING = {"p": 1.0, "schedule": "constant"} | dict.fromkeys(
    ("filtering", "noise", "cutout"), True
)
OPTIONS = {"ada": EVERYTHING}  # with which all of it happens


def ready(name):
    """`(images, key, step) -> images` of an augmentation that does all that it can."""
    chosen = augmentation(name).with_options(OPTIONS.get(name, {}))
    if chosen.first:
        return lambda images, key, step: chosen.apply(images, key, step, chosen.first())
    return chosen.apply


JITTED = {name: jax.jit(ready(name)) for name in AUGMENTS}


@pytest.mark.parametrize("name", AUGMENTS)
def test_every_augmentation_keeps_shape_and_dtype_and_follows_its_key(name):
    for dtype in (jnp.float32, jnp.bfloat16):
        images = jax.ShapeDtypeStruct(IMAGES.shape, dtype)
        chex.assert_trees_all_equal_shapes_and_dtypes(
            jax.eval_shape(ready(name), images, KEY, 0), images
        )
    augment = JITTED[name]
    once, again = augment(IMAGES, KEY, 0), augment(IMAGES, KEY, 0)
    chex.assert_trees_all_equal(once, again)
    assert jnp.any(once != augment(IMAGES, jax.random.key(1), 0))


@pytest.mark.parametrize("name", AUGMENTS)
def test_every_augmentation_treats_each_image_by_itself(name):
    """Equal images come back different, and a change of one changes no other."""
    augment = JITTED[name]
    equal = augment(jnp.broadcast_to(IMAGES[:1], IMAGES.shape), KEY, 0)
    assert jnp.any(equal[0] != equal[1])
    changed = augment(IMAGES.at[1].multiply(0.5), KEY, 0)
    chex.assert_trees_all_equal(changed[0], augment(IMAGES, KEY, 0)[0])


@pytest.mark.parametrize("name", AUGMENTS)
def test_first_and_second_derivatives_are_those_of_finite_differences(name, enable_x64):
    """Through all parts at once, in float64: gradients and Hessians along a random direction."""
    augment = ready(name)
    with enable_x64(True):
        images, along, weights = np.random.default_rng(0).normal(size=(3, 2, 6, 6, 3))

        @jax.jit
        def probe(x):
            judge = lambda x: jnp.sum(jnp.sin(weights * augment(x, KEY, 0)))
            gradient, bend = jax.jvp(jax.grad(judge), (x,), (along,))
            return judge(x), gradient, bend

        value, gradient, bend = probe(images)
        size = 1e-5
        (above, up, _), (below, down, _) = (probe(images + s * along) for s in (size, -size))
        assert gradient.dtype == jnp.float64
        assert jnp.any(gradient != 0) and jnp.any(bend != 0)
        np.testing.assert_allclose(
            (above - below) / (2 * size), (gradient * along).sum(), rtol=1e-5
        )
        np.testing.assert_allclose((up - down) / (2 * size), bend, rtol=1e-4, atol=1e-6)


def test_scanned_and_mapped_draws_are_those_of_single_calls():
    keys = jax.random.split(KEY, (2, 1))
    mapped = jax.vmap(ready("ada"), (None, 0, None))
    scan = jax.jit(lambda: jax.lax.scan(lambda x, key: (x, mapped(x, key, 0)), IMAGES, keys)[1])
    single = jnp.stack([JITTED["ada"](IMAGES, key, 0) for key in keys[:, 0]])
    chex.assert_trees_all_close(scan()[:, 0], single, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in AUGMENTS if name != "instance_noise"])
def test_points_are_refused_by_those_of_pictures(name):
    with pytest.raises(ValueError, match=f"augment.{name} is of pictures"):
        ready(name)(jnp.ones((4, 2)), KEY, 0)


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
    traced = jax.jit(partial(instance_noise, until=100))(IMAGES, KEY, jnp.int32(30))
    chex.assert_trees_all_close(traced, instance_noise(IMAGES, KEY, 30, until=100), atol=1e-6)


@pytest.mark.parametrize("kwargs", [{"sigma": -0.1}, {"until": -1}])
def test_negative_settings_are_refused(kwargs):
    with pytest.raises(ValueError, match="at least 0"):
        instance_noise(IMAGES, KEY, 0, **kwargs)
