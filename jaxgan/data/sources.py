"""Data sets by name."""

import functools
import inspect
from collections.abc import Callable

from jaxgan.choices import choose
from jaxgan.data.dataset import Dataset
from jaxgan.data.embedded import load_fashion_mnist_10k
from jaxgan.data.folder import load_folder
from jaxgan.data.npz import load_npz
from jaxgan.data.tfds import load_tfds
from jaxgan.errors import unknown

# Every entry takes keyword arguments only: dir, split, resolution, channels, resize, crop, labels
# and on_bad_image (see shaping.py and labelling.py), and what its own docstring adds.
DATASETS: dict[str, Callable[..., Dataset]] = {
    "fashion_mnist_10k": load_fashion_mnist_10k,
    "mnist": functools.partial(load_tfds, builder="mnist"),
    "fashion_mnist": functools.partial(load_tfds, builder="fashion_mnist"),
    "cifar10": functools.partial(load_tfds, builder="cifar10"),
    "tfds": load_tfds,
    "folder": load_folder,
    "npz": load_npz,
}


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
