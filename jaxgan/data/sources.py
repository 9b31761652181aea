"""Data sets by name."""

import functools
import importlib
import inspect
from collections.abc import Callable

from jaxgan.data.dataset import Dataset
from jaxgan.data.embedded import load_fashion_mnist_10k
from jaxgan.data.folder import load_folder
from jaxgan.data.npz import load_npz
from jaxgan.data.tfds import load_tfds
from jaxgan.errors import UsageError, unknown

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
    load = _import(name) if ":" in name else DATASETS.get(name)
    if load is None:
        raise unknown("data set", name, DATASETS)
    if ":" not in name:
        _check_arguments(name, load, kwargs)
    return load(**kwargs)


def _check_arguments(name: str, load: Callable[..., Dataset], kwargs: dict) -> None:
    accepted = inspect.signature(load).parameters
    for key in kwargs:
        if key not in accepted:
            raise unknown(f"argument of data set {name!r}:", key, accepted)


def _import(name: str) -> Callable[..., Dataset]:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"data set {name!r}: cannot import {module_name!r} ({error}); "
            "expected 'package.module:function' on the Python path"
        ) from error
    # The user's own module, named by the user: reading its dictionary is the whole contract.
    load = vars(module).get(attribute)
    if not callable(load):
        raise UsageError(f"data set {name!r}: module {module_name!r} has no function {attribute!r}")
    return load
