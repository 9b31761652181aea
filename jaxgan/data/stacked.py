"""Stacked-MNIST: three random digits as the three channels of an image, 1,000 modes."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.order import shuffled_index
from jaxgan.data.tfds import load_tfds
from jaxgan.errors import UsageError

DIGITS = 3
SEED = np.array([0, 1000], np.uint32)


def load_stacked_mnist(
    *, dir: str = "", split: str = "train", num_stacks: int = 128_000, builder: str = "mnist"
) -> Dataset:
    """`num_stacks` triples of digits, [N, 28, 28, 3]; the same ones at every start.

    Only the digits are stored: a triple is gathered where it is used, inside the compiled step.
    128,000 is VEEGAN's and PacGAN's number (Srivastava et al. 2017; Lin et al. 2018). All digits
    are used evenly. builder: another TFDS set of grey images in ten classes.

    Raises:
      UsageError: the set is not prepared.
    """
    if num_stacks < 1:
        raise UsageError(f"num_stacks must be positive; got {num_stacks}")
    digits = load_tfds(builder=builder, dir=dir, split=split, labels=True)
    if not digits.is_resident or digits.image_shape[-1] != 1:
        raise UsageError(f"data set 'stacked_mnist' needs grey images in memory, unlike {builder}")
    return stack(digits, num_stacks)


def stack(digits: Dataset, count: int) -> Dataset:
    """A set of `count` triples over a set of grey images."""
    return dataclasses.replace(
        digits, name="stacked_mnist", labels=None, classes=(), count=count, gather=triples
    )


def triples(images, indices):
    """[..., H, W, 3] of digits [N, H, W, 1] and the triples' indices [...]; numpy or JAX arrays."""
    positions = indices[..., None] * DIGITS + np.arange(DIGITS)
    chosen = images[shuffled_index(SEED, positions, len(images))][..., 0]
    xp = np if isinstance(chosen, np.ndarray) else jnp
    return xp.moveaxis(chosen, -3, -1)
