"""Adaptive discriminator augmentation (Karras et al. 2020)."""

import jax
import jax.numpy as jnp

from jaxgan.keys import fold
from jaxgan.objectives.augment.affine import random_inverse
from jaxgan.objectives.augment.bands import filter_bands
from jaxgan.objectives.augment.base import (
    Augmentation,
    Memory,
    per_image,
    require_pictures,
)
from jaxgan.objectives.augment.blit import blit as blit_pixels
from jaxgan.objectives.augment.chance import ADAPTIVE, chance, first_chance, next_chance
from jaxgan.objectives.augment.color import recolor
from jaxgan.objectives.augment.corrupt import add_noise, cut_out
from jaxgan.objectives.augment.warp import warp
from jaxgan.objectives.precision import at_least_float32


def deform(images: jax.Array, key: jax.Array, p: jax.Array | float) -> jax.Array:
    """General geometry: one inverse map an image, of `random_inverse`."""
    inverse, happens = random_inverse(key, p, *images.shape[:3])
    return jnp.where(per_image(happens), warp(images, inverse), images)


def ada(
    images: jax.Array,
    key: jax.Array,
    step: jax.Array | int,
    memory: Memory,
    *,
    blit: bool = True,
    geometry: bool = True,
    color: bool = True,
    filtering: bool = False,
    noise: bool = False,
    cutout: bool = False,
    p: float = 0.0,
    schedule: str = ADAPTIVE,
    final: float = 1.0,
    steps: int = 0,
) -> jax.Array:
    """The pipeline of Karras et al. 2020, appendix B, each transformation with probability p.

    The groups, in this order, may each be left out; the authors' best choice, and that of their
    programs, is the first three. What is drawn for one does not depend on the others. p is by
    `chance`, and the options that move it are those of `next_chance`. With p = 0 images come back
    as they were, to the bit.
    """
    require_pictures("ada", images)
    groups = {
        "blit": (blit, blit_pixels),
        "geometry": (geometry, deform),
        "color": (color, recolor),
        "filtering": (filtering, filter_bands),
        "noise": (noise, add_noise),
        "cutout": (cutout, cut_out),
    }
    happening = chance(memory, step, p=p, schedule=schedule, final=final, steps=steps)
    x = at_least_float32(images)
    for name, (chosen, alter) in groups.items():
        if chosen:
            x = alter(x, fold(key, name), happening)
    return x.astype(images.dtype)


ADA = Augmentation(apply=ada, first=first_chance, update=next_chance, logged=("p", "sign"))
