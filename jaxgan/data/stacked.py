"""Three random grey images of ten classes as the channels of one: 1,000 modes, as Stacked-MNIST."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.embedded import load_fashion_mnist_10k
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
    digits = load_tfds(builder=builder, dir=dir, split=split, labels=True)
    if not digits.is_resident or digits.image_shape[-1] != 1:
        raise UsageError(f"data set 'stacked_mnist' needs grey images in memory, unlike {builder}")
    return stack(digits, num_stacks, "stacked_mnist")


def load_stacked_fashion_mnist_10k(*, num_stacks: int = 128_000) -> Dataset:
    """As `load_stacked_mnist` of the garments that come with the package: needs no download."""
    garments = load_fashion_mnist_10k(labels=True)
    return stack(garments, num_stacks, "stacked_fashion_mnist_10k")


def stack(grey: Dataset, count: int, name: str) -> Dataset:
    """A set of `count` triples over a set of grey images."""
    if count < 1:
        raise UsageError(f"num_stacks must be positive; got {count}")
    return dataclasses.replace(
        grey, name=name, labels=None, classes=(), count=count, gather=triples
    )


def triples(images, indices):
    """[..., H, W, 3] of digits [N, H, W, 1] and the triples' indices [...]; numpy or JAX arrays."""
    positions = indices[..., None] * DIGITS + np.arange(DIGITS)
    chosen = images[shuffled_index(SEED, positions, len(images))][..., 0]
    xp = np if isinstance(chosen, np.ndarray) else jnp
    return xp.moveaxis(chosen, -3, -1)
