"""ADA's pipeline: p, the groups, pixel blitting, noise and cutout."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment.ada import ada
from jaxgan.objectives.augment.base import shifted
from jaxgan.objectives.augment.blit import blit, mirror, turn
from jaxgan.objectives.augment.corrupt import add_noise, cut_out

KEY = jax.random.key(3)
GROUPS = ("blit", "geometry", "color", "filtering", "noise", "cutout")
ALL = jax.jit(partial(ada, **dict.fromkeys(GROUPS, True)))


def normal(*shape):
    return jax.random.normal(jax.random.key(9), shape)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_at_p_0_images_come_back_to_the_bit(channels):
    """All groups of RGB; of others the colours, which alone depend on the channels."""
    images = normal(3, 8, 6, channels)
    apply = ALL if channels == 3 else jax.jit(partial(ada, blit=False, geometry=False))
    chex.assert_trees_all_equal(apply(images, KEY, 0, {"p": jnp.float32(0)}), images)
    altered = apply(images, KEY, 0, {"p": jnp.float32(1)})
    assert jnp.all(jnp.any(altered != images, axis=(1, 2, 3)))
    chex.assert_tree_all_finite(altered)


def test_a_group_that_is_off_leaves_the_draws_of_the_others():
    images = normal(3, 8, 8, 3)
    off = dict.fromkeys(GROUPS, False)
    apply = lambda **on: jax.jit(partial(ada, **off | on))(images, KEY, 0, {"p": jnp.float32(1)})
    chex.assert_trees_all_equal(apply(), images)
    blitted = apply(blit=True)
    cut = apply(blit=True, cutout=True)
    assert jnp.all((cut == 0) | (cut == blitted)) and jnp.any(cut == 0)


def test_a_part_of_the_images_is_altered_where_p_is_a_half():
    images = jnp.broadcast_to(normal(1, 8, 8, 1), (400, 8, 8, 1))
    off = dict.fromkeys(GROUPS, False) | {"cutout": True}
    moving = {"p": 0.0, "final": 1.0, "steps": 14, "schedule": "linear"}
    cut = jax.jit(partial(ada, **moving, **off))(images, KEY, 7, {})
    share = jnp.mean(jnp.any(cut != images, axis=(1, 2, 3)))
    np.testing.assert_allclose(share, 0.5, atol=4 * 0.5 / 20)


def test_turns_mirrors_and_shifts_are_those_of_numpy():
    images = np.asarray(normal(4, 6, 6, 2))
    turned = np.asarray(turn(images, jnp.arange(4)))
    mirrored = np.asarray(mirror(images, jnp.arange(4) % 2 == 0))
    steps = np.array([[1, -2, 0, 2], [0, 1, -1, -2]])
    moved = np.asarray(shifted(images, steps, (2, 2), "reflect"))
    for i, image in enumerate(images):
        np.testing.assert_array_equal(turned[i], np.rot90(image, i))
        np.testing.assert_array_equal(mirrored[i], image[:, ::-1] if i % 2 == 0 else image)
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        down, right = steps[:, i]
        np.testing.assert_array_equal(moved[i], padded[2 - down : 8 - down, 2 - right : 8 - right])


@pytest.mark.parametrize(("shape", "turns"), [((8, 8), (0, 1, 2, 3)), ((8, 16), (0, 2))])
def test_blitting_draws_every_exact_alteration_and_no_other(shape, turns):
    image = np.asarray(normal(*shape, 1))
    reach = shape[0] // 8, shape[1] // 8
    allowed = set()
    for flipped in (image, image[:, ::-1]):
        for quarters in turns:
            turned = np.rot90(flipped, quarters)
            padded = np.pad(turned, (*((r, r) for r in reach), (0, 0)), mode="reflect")
            for y in range(2 * reach[0] + 1):
                for x in range(2 * reach[1] + 1):
                    moved = padded[y : y + shape[0], x : x + shape[1]]
                    allowed.add(moved.tobytes())
    count = 3000
    found = jax.jit(blit)(np.broadcast_to(image, (count, *image.shape)), KEY, 1.0)
    # Where all turns are allowed a mirrored image is another one's turn.
    assert {np.asarray(picture).tobytes() for picture in found} == allowed


def test_noise_has_the_deviation_of_its_image():
    noise = jax.jit(add_noise)(jnp.zeros((300, 8, 8, 3)), KEY, 0.5)
    deviations = np.asarray(noise.std(axis=(1, 2, 3)))
    drawn = deviations[deviations > 0]
    np.testing.assert_allclose(len(drawn) / 300, 0.5, atol=0.12)
    # The mean of |N(0, 0.1^2)|.
    np.testing.assert_allclose(drawn.mean(), 0.1 * np.sqrt(2 / np.pi), rtol=0.2)


def test_cutout_is_a_rectangle_of_half_the_sides_clipped_by_the_border():
    height, width = 8, 12
    cut = np.asarray(jax.jit(cut_out)(jnp.ones((300, height, width, 2)), KEY, 1.0)) == 0
    whole = 0
    for hole in cut[..., 0]:
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        np.testing.assert_array_equal(hole, np.outer(hole.any(1), hole.any(0)))
        for places, side in ((rows, height), (columns, width)):
            assert np.all(np.diff(places) == 1)
            inside = places[0] > 0 and places[-1] < side - 1
            assert len(places) == side // 2 if inside else len(places) <= side // 2
            whole += inside
    assert whole > 100
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])
