"""CR, bCR, zCR and the alterations, by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives import consistency
from jaxgan.objectives.consistency import ALTERATIONS

KEY = jax.random.key(3)
PICTURES = jax.random.normal(jax.random.key(0), (6, 16, 8, 2))


def judge(images):
    """A discriminator that sees where things are."""
    weights = np.linspace(-1, 1, images[0].size).reshape(images.shape[1:])
    return (np.asarray(images) * weights).sum((1, 2, 3)) ** 2


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_alteration_keeps_shape_and_dtype_and_treats_each_image_alone(name):
    alter = jax.jit(ALTERATIONS[name])
    for dtype in (jnp.float32, jnp.bfloat16):
        images = PICTURES.astype(dtype)
        altered = alter(images, KEY)
        chex.assert_trees_all_equal_shapes_and_dtypes(altered, images)
        chex.assert_trees_all_equal(altered, alter(images, KEY))
    same = jnp.broadcast_to(PICTURES[:1], (64, *PICTURES.shape[1:]))
    altered = alter(same, KEY)
    assert jnp.any(altered != altered[:1]), "images are altered each by itself"


def candidates(picture, reach):
    """Every shift of a picture by whole pixels, with borders mirrored, flipped or not."""
    found = []
    for flipped in (picture, picture[:, ::-1]):
        padded = np.pad(flipped, ((reach[0],) * 2, (reach[1],) * 2, (0, 0)), mode="reflect")
        for y in range(2 * reach[0] + 1):
            for x in range(2 * reach[1] + 1):
                found.append(padded[y : y + picture.shape[0], x : x + picture.shape[1]])
    return np.stack(found)


def test_flip_shift_moves_by_an_eighth_of_the_side_at_most():
    same = jnp.broadcast_to(PICTURES[:1], (300, *PICTURES.shape[1:]))
    allowed = candidates(np.asarray(PICTURES[0]), (2, 1))
    seen = set()
    for altered in np.asarray(ALTERATIONS["flip_shift"](same, KEY)):
        matches = np.flatnonzero((allowed == altered).all((1, 2, 3)))
        assert len(matches) == 1
        seen.add(int(matches[0]))
    assert len(seen) == len(allowed) == 2 * 5 * 3


def test_cr_is_the_squared_change_of_the_logits_of_reals():
    altered = consistency.flip_shift(PICTURES, KEY)
    expected = (judge(PICTURES) - judge(altered)) ** 2
    found = consistency.cr(judge, PICTURES, judge(PICTURES), KEY)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert expected.max() > 1


def test_bcr_is_that_of_reals_and_of_fakes():
    fakes = PICTURES[::-1] ** 2
    key_real, key_fake = jax.random.split(KEY)
    change = lambda images, key: (judge(images) - judge(consistency.flip(images, key))) ** 2
    found = consistency.bcr(
        judge,
        PICTURES,
        fakes,
        judge(PICTURES),
        judge(fakes),
        KEY,
        alteration="flip",
        fake_weight=0.3,
    )
    expected = change(PICTURES, key_real) + 0.3 * change(fakes, key_fake)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_consistent_discriminators_pay_nothing():
    blind = lambda images: jnp.sum(images, axis=(1, 2, 3))
    logits = blind(PICTURES)
    values = consistency.cr(blind, PICTURES, logits, KEY, alteration="flip")
    np.testing.assert_allclose(values, 0.0, atol=1e-8)


def test_zcr_pulls_logits_together_and_pushes_images_apart():
    fake, near = PICTURES, PICTURES + 0.5
    disc = consistency.zcr_disc(judge, judge(fake), near, disc_weight=20.0)
    np.testing.assert_allclose(disc, 20 * (judge(fake) - judge(near)) ** 2, rtol=1e-5)
    np.testing.assert_allclose(consistency.zcr_gen(fake, near, gen_weight=0.5), -0.125, rtol=1e-5)


def test_near_latents_are_near():
    latents = jax.random.normal(KEY, (4000, 3))
    moved = consistency.near_latents(latents, jax.random.key(1), sigma=0.05) - latents
    np.testing.assert_allclose(moved.std(), 0.05, rtol=0.03)
    np.testing.assert_allclose(moved.mean(), 0.0, atol=0.003)


def test_pictures_are_needed_for_what_moves_pixels():
    with pytest.raises(ValueError, match="alteration='noise'"):
        consistency.cr(judge, jnp.ones((4, 2)), jnp.ones(4), KEY)
    with pytest.raises(ValueError, match="did you mean 'flip'"):
        consistency.cr(judge, PICTURES, jnp.ones(6), KEY, alteration="flpi")
