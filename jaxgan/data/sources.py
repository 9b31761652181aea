"""Data sets by name."""

import functools
import inspect
from collections.abc import Callable

from jaxgan.choices import choose
from jaxgan.data.dataset import Dataset
from jaxgan.data.embedded import load_fashion_mnist_10k
from jaxgan.data.folder import load_folder
from jaxgan.data.npz import load_npz
from jaxgan.data.points import (
    load_gaussian,
    load_grid,
    load_mixture,
    load_points,
    load_ring,
    load_spiral,
    load_two_moons,
)
from jaxgan.data.stacked import load_stacked_fashion_mnist_10k, load_stacked_mnist
from jaxgan.data.tfds import load_tfds
from jaxgan.errors import unknown

# Keyword arguments only: those of images take dir, split, resolution, channels, resize, crop,
# labels and on_bad_image (see shaping.py and labelling.py), and what its own docstring adds.
DATASETS: dict[str, Callable[..., Dataset]] = {
    "fashion_mnist_10k": load_fashion_mnist_10k,
    "mnist": functools.partial(load_tfds, builder="mnist"),
    "fashion_mnist": functools.partial(load_tfds, builder="fashion_mnist"),
    "cifar10": functools.partial(load_tfds, builder="cifar10"),
    "tfds": load_tfds,
    "folder": load_folder,
    "npz": load_npz,
    "stacked_mnist": load_stacked_mnist,
    "stacked_fashion_mnist_10k": load_stacked_fashion_mnist_10k,
    "ring": load_ring,
    "grid": load_grid,
    "mixture": load_mixture,
    "spiral": load_spiral,
    "two_moons": load_two_moons,
    "gaussian": load_gaussian,
    "points": load_points,
}
# Those that need no file beside the package's own.
AT_HAND = (
    "fashion_mnist_10k",
    "stacked_fashion_mnist_10k",
    "ring",
    "grid",
    "mixture",
    "spiral",
    "two_moons",
    "gaussian",
)


def load_dataset(name: str, **kwargs) -> Dataset:
    """The data set `name`, a key of `DATASETS` or "package.module:function".

    Raises:
      UsageError: an unknown name or argument, or whatever the source finds wrong.
    """
    load = choose("data set", DATASETS, name)
    if name in DATASETS:
        _check_arguments(name, load, kwargs)
    return load(**kwargs)


def _check_arguments(name: str, load: Callable[..., Dataset], kwargs: dict) -> None:
    accepted = inspect.signature(load).parameters
    for key in kwargs:
        if key not in accepted:
            raise unknown(f"argument of data set {name!r}:", key, accepted)
