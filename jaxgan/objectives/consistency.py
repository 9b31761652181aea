"""Consistency: the discriminator should say of an altered image what it says of the image.

Terms (terms.py) for CR (Zhang et al. 2020), bCR and zCR (Zhao et al. 2020), and the alterations
that they name, `(images [B, ...], key) -> images`, each image altered by itself.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.objectives.augment.base import shifted
from jaxgan.objectives.precision import at_least_float32


def flip(images: jax.Array, key: jax.Array) -> jax.Array:
    """Each of the pictures [B, H, W, C] mirrored with probability 1/2."""
    _require_pictures(images)
    mirrored = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def shift(images: jax.Array, key: jax.Array) -> jax.Array:
    """Each of the pictures moved by up to 1/8 of its side, and by a pixel at least.

    Whole pixels along both axes, uniformly; what comes in at the border is mirrored there.
    """
    _require_pictures(images)
    reach = [max(1, side // 8) for side in images.shape[1:3]]

    def drawn(key):
        return [
            r - jax.random.randint(k, (), 0, 2 * r + 1)
            for k, r in zip(jax.random.split(key), reach, strict=True)
        ]

    shifts = jnp.stack(jax.vmap(drawn)(jax.random.split(key, len(images))))
    return shifted(images, shifts, reach, "reflect")


def flip_shift(images: jax.Array, key: jax.Array) -> jax.Array:
    """`flip` and `shift`, as Zhang et al. 2020 alter images."""
    key_flip, key_shift = jax.random.split(key)
    return shift(flip(images, key_flip), key_shift)


def noise(images: jax.Array, key: jax.Array) -> jax.Array:
    """A tenth of the batch's standard deviation as Gaussian noise; for images of any shape."""
    values = jax.random.normal(key, images.shape, images.dtype)
    return images + 0.1 * jax.lax.stop_gradient(jnp.std(images)) * values


ALTERATIONS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "flip_shift": flip_shift,
    "flip": flip,
    "shift": shift,
    "noise": noise,
}


def _require_pictures(images: jax.Array) -> None:
    if images.ndim != 4:
        raise ValueError(
            f"this alteration is of pictures [B, H, W, C]; got {images.shape} "
            "(terms.*.alteration='noise' is of images of any shape)"
        )


def _altered(name: str, images: jax.Array, key: jax.Array) -> jax.Array:
    return choose("alteration", ALTERATIONS, name)(images, key)


def _squared(logits: jax.Array, others: jax.Array) -> jax.Array:
    chex.assert_equal_shape([logits, others], custom_message="logits must be of the same images")
    return (at_least_float32(logits) - at_least_float32(others)) ** 2


def cr(judge, real, real_logits, key, *, alteration: str = "flip_shift"):
    """(D(x) - D(T(x)))^2 on reals. Zhang et al. 2020, algorithm 1, of logits; weight lambda, 10."""
    return _squared(real_logits, judge(_altered(alteration, real, key)))


def bcr(
    judge,
    real,
    fake,
    real_logits,
    fake_logits,
    key,
    *,
    alteration: str = "flip_shift",
    fake_weight: float = 1.0,
):
    """`cr` on reals and on fakes. Zhao et al. 2020, algorithm 1.

    The weight is lambda_real, and lambda_fake over it is `fake_weight`; 10 and 10 in the paper.
    """
    key_real, key_fake = jax.random.split(key)
    of_fakes = _squared(fake_logits, judge(_altered(alteration, fake, key_fake)))
    return cr(judge, real, real_logits, key_real, alteration=alteration) + fake_weight * of_fakes


def near_latents(latents: jax.Array, key: jax.Array, *, sigma: float = 0.05) -> jax.Array:
    """T(z) = z + N(0, sigma^2), [B, D]."""
    return latents + sigma * jax.random.normal(key, latents.shape, latents.dtype)


def zcr_disc(judge, fake_logits, near, *, disc_weight: float = 20.0):
    """lambda_dis (D(G(z)) - D(G(T(z))))^2. Zhao et al. 2020, algorithm 2."""
    return disc_weight * _squared(fake_logits, judge(near))


def zcr_gen(fake, near, *, gen_weight: float = 0.5):
    """-lambda_gen ||G(z) - G(T(z))||^2, the mean over values. Zhao et al. 2020, algorithm 2.

    It pushes neighbours apart, and `zcr_disc` keeps the generator from doing so by artefacts.
    Distances are averaged over an image's values, as implementations with these weights do.
    """
    squares = _squared(fake, near)
    return -gen_weight * jnp.mean(squares, axis=tuple(range(1, squares.ndim)))
