"""DiffAugment by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.augment import diff_augment

KEY = jax.random.key(2)
COUNT = 500
OFF = {"color": False, "translation": 0.0, "cutout": 0.0}


def apply(image, **options):
    images = jnp.broadcast_to(image, (COUNT, *image.shape))
    return np.asarray(jax.jit(partial(diff_augment, **OFF | options))(images, KEY, 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_is_brightness_saturation_and_contrast(channels):
    """Read off the result: the mean moved, the distances from grey and from the mean scaled."""
    image = np.asarray(jax.random.normal(KEY, (4, 6, channels)))
    found = apply(image, color=True)
    moved = found.mean((1, 2, 3)) - image.mean()
    grey, greys = image.mean(-1), found.mean(-1)
    light, lights = (g - g.mean(axis=(-1, -2), keepdims=True) for g in (grey, greys))
    strong = (lights * light).sum((1, 2)) / (light**2).sum()
    for values, low, high in ((moved, -0.5, 0.5), (strong, 0.5, 1.5)):
        assert low - 1e-4 <= values.min() < values.max() <= high + 1e-4
        np.testing.assert_allclose(
            np.quantile(values, [0.25, 0.75]),
            [low + (high - low) / 4, high - (high - low) / 4],
            atol=0.08,
        )
    rich = np.ones(COUNT)
    if channels > 1:
        tint, tints = image - grey[..., None], found - greys[..., None]
        rich = (tints * tint).sum((1, 2, 3)) / (tint**2).sum() / strong
        np.testing.assert_allclose(np.quantile(rich, [0.25, 0.75]), [0.5, 1.5], atol=0.15)
        assert -1e-4 <= rich.min() and rich.max() <= 2 + 1e-4
    by = lambda values: values[:, None, None, None]
    middle = image.mean() + moved
    expected = by(middle) + by(strong) * (
        by(rich) * (image - grey[..., None]) + grey[..., None] - image.mean()
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_translation_is_by_up_to_an_eighth_with_0_coming_in():
    image = np.asarray(jax.random.normal(KEY, (8, 16, 2)))
    padded = np.pad(image, ((1, 1), (2, 2), (0, 0)))
    allowed = {padded[y : y + 8, x : x + 16].tobytes() for y in range(3) for x in range(5)}
    assert {picture.tobytes() for picture in apply(image, translation=0.125)} == allowed


@pytest.mark.parametrize(("sides", "sizes"), [((8, 6), (4, 3)), ((7, 5), (4, 3))])
def test_cutout_is_a_rectangle_whose_centre_is_anywhere(sides, sizes):
    holes = apply(np.ones((*sides, 1), np.float32), cutout=0.5)[..., 0] == 0
    for axis, (side, size) in enumerate(zip(sides, sizes, strict=True)):
        begins = range(-(size // 2), side + 1 - size % 2 - size // 2)
        allowed = {tuple(begin <= i < begin + size for i in range(side)) for begin in begins}
        assert {tuple(map(bool, hole.any(1 - axis))) for hole in holes} == allowed
    for hole in holes:
        np.testing.assert_array_equal(hole, np.outer(hole.any(1), hole.any(0)))


@pytest.mark.parametrize("name", ["translation", "cutout"])
def test_shares_are_between_0_and_1(name):
    with pytest.raises(ValueError, match=f"diff_augment.{name} must be in"):
        apply(np.ones((4, 4, 1)), **{name: 1.5})
