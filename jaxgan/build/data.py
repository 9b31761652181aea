"""The data set of a config, and what a resolved config says of it."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgan.choices import choose
from jaxgan.data.dataset import Dataset
from jaxgan.data.shaping import can_be_shaped
from jaxgan.data.sources import DATASETS
from jaxgan.engine.sharding import on_all_devices
from jaxgan.engine.step import Batch
from jaxgan.errors import UsageError
from jaxgan.schema import DEFAULTS, RESOLVED


def build_dataset(config: ConfigDict) -> Dataset:
    """The data set that `config.data` names, its images in the resolution that it asks for."""
    load = choose("data set", DATASETS, config.data.name)
    dataset = load(**arguments(config, load))
    if not isinstance(dataset, Dataset):
        raise UsageError(f"data set {config.data.name!r} returned {dataset!r}; expected a Dataset")
    return dataset


def arguments(config: ConfigDict, load: Callable[..., Dataset]) -> dict[str, Any]:
    """What `load` takes of `config.data`.

    Raises:
      UsageError: a field is set that it does not take.
    """
    own = ("name", "batch_size", "flip", *RESOLVED)
    given = {name: value for name, value in config.data.items() if name not in own}
    parameters = inspect.signature(load).parameters
    if any(p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return given
    for name, value in given.items():
        if name not in parameters and value != DEFAULTS["data"].get(name):
            raise UsageError(
                f"data set {config.data.name!r} takes no {name}; config.data.{name} is {value!r}"
            )
    return {name: value for name, value in given.items() if name in parameters}


def resolve(config: ConfigDict, dataset: Dataset) -> ConfigDict:
    """The config with the shape and size of the data, so that it builds the networks by itself."""
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.data.image_shape = tuple(dataset.image_shape)
        if dataset.gather is None and not dataset.is_points and can_be_shaped(dataset.image_shape):
            resolved.data.resolution = dataset.image_shape[0]
            resolved.data.channels = dataset.image_shape[-1]
        resolved.data.num_classes = dataset.num_classes if config.data.labels else 0
        resolved.data.num_examples = dataset.num_examples
        vectors = dataset.label_vectors if config.data.labels else ()
        resolved.data.label_vectors = tuple(tuple(map(float, row)) for row in vectors)
    return resolved.lock()


def example_batch(config: ConfigDict) -> Batch:
    """The shapes of a batch, without the data."""
    size = config.data.batch_size
    batch = {"image": jax.ShapeDtypeStruct((size, *config.data.image_shape), jnp.float32)}
    classes = config.data.num_classes
    if classes and label_vectors(config):
        batch["label"] = jax.ShapeDtypeStruct((size, classes), jnp.float32)
    elif classes:
        batch["label"] = jax.ShapeDtypeStruct((size,), jnp.int32)
    return on_all_devices(batch)


def label_vectors(config: ConfigDict) -> tuple[tuple[float, ...], ...]:
    """Some labels of the data, where they are vectors; () where they are classes, or none."""
    # Lists where the config was read from a run's config.json; a game is compared and hashed.
    return tuple(map(tuple, config.data.get("label_vectors", ())))
