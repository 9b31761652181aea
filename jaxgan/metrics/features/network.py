"""A feature network: what it is, its weights, and how images become its features."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan.errors import UsageError, unknown
from jaxgan.metrics.features.resize import RESIZES, resize
from jaxgan.metrics.features.weights import Found, load_arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """A feature network without its weights; a protocol may `dataclasses.replace` its input.

    Attributes:
      name: what scores are named for.
      size: of the images that it sees, height and width.
      channels: 3, and grey images are repeated; or 1.
      resize: the filter that brings images to `size`, a key of `RESIZES`.
      mean, std: the network sees (pixel - mean) / std of 0 to 255; one number, or one per channel.
      dimension: of its features. num_logits: of its logits, 0 if it has none.
      module: images [B, size, size, channels] -> {"features", perhaps "logits", ...}.
      variables: named arrays of the file of weights -> the module's variables.
      find: (path or "", verify=) -> the file of weights.
    """

    name: str
    size: int
    channels: int
    resize: str
    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]
    dimension: int
    num_logits: int
    module: nn.Module
    variables: Callable[[dict[str, np.ndarray]], Any]
    find: Callable[..., Found]

    def __post_init__(self):
        if self.resize not in RESIZES:
            raise unknown("resize", self.resize, RESIZES)

    def load(self, weights: str | pathlib.Path = "", *, verify: bool = True) -> "FeatureNetwork":
        """The network with the weights at the path `weights`, or, if "", where they belong.

        verify: whether other weights than the published ones are an error.

        Raises:
          UsageError: there are none, or they are not this network's.
        """
        found = self.find(weights, verify=verify)
        variables = self.variables(load_arrays(found.path))
        images = jax.ShapeDtypeStruct((1, self.size, self.size, self.channels), jnp.float32)
        wanted = jax.eval_shape(self.module.init, jax.random.key(0), images)
        if _shapes(variables) != _shapes(wanted):
            raise UsageError(f"the weights in {found.path} do not fit {self.name}")
        return FeatureNetwork(self, variables, found)


class FeatureNetwork:
    """A network that is ready: a function of images, in float32 at the highest precision.

    Attributes:
      description: see `Description`.
      sha256: of the file of weights.
      verified: whether that is the published file; if not, no score should bear the name.
    """

    def __init__(self, description: Description, variables: Any, found: Found):
        self.description = description
        self.variables = jax.tree.map(jnp.asarray, variables)
        self.sha256, self.verified = found.sha256, found.verified
        self.apply = jax.jit(self._apply)

    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        """Of images in 0 to 255, uint8 or float32, [B, H, W, C] of any size, C 1 or 3."""
        return self.apply(self.variables, images)

    def _apply(self, variables, images: jax.Array) -> dict[str, jax.Array]:
        with jax.default_matmul_precision("highest"):
            return self.description.module.apply(variables, prepare(images, self.description))


def _shapes(tree: Any) -> dict:
    return {path: leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)}


def prepare(images: jax.Array, description: Description) -> jax.Array:
    """What the network sees of images in 0 to 255, [B, H, W, C]; traceable.

    Where a filter overshoots, the result is clipped to 0..255 before it is scaled, as clean-fid
    does (Parmar et al. 2022).

    Raises:
      UsageError: the images have not the network's channels.
    """
    channels = description.channels
    if images.ndim != 4 or images.shape[-1] not in (1, channels):
        raise UsageError(
            f"images of shape {list(images.shape)} for {description.name}; expected"
            f" [N, H, W, {'1 or 3' if channels == 3 else channels}]"
        )
    if images.dtype not in (jnp.uint8, jnp.float32):
        raise UsageError(f"{images.dtype} images for {description.name}; expected uint8 or float32")
    x = resize(images.astype(jnp.float32), description.size, description.resize)
    x = jnp.clip(x, 0, 255)
    x = jnp.broadcast_to(x, (*x.shape[:-1], channels))
    return (x - np.asarray(description.mean, np.float32)) / np.asarray(description.std, np.float32)


def extract(
    network: FeatureNetwork,
    batches: Iterable[np.ndarray],
    batch_size: int = 0,
    *,
    outputs: Sequence[str] = ("features", "logits"),
) -> dict[str, np.ndarray]:
    """The features of many images, batch by batch, on all devices of this process.

    Args:
      batches: uint8 images [n, H, W, C], n as it comes, H, W and C the same in all.
      batch_size: how many go through the network at once, rounded up to a multiple of the number
        of devices; 0 for 8 per device on CPU, whose caches hold no more, and 64 elsewhere. The
        result does not depend on it, up to the rounding of float32.
      outputs: which of the network's outputs are wanted; one that it has not is left out.

    Returns:
      float32 [N, ...] for each output, in the images' order.

    Raises:
      UsageError: no images at all, or images of several shapes, or not uint8.
    """
    # Each process has its own images, so the devices are those of this one.
    mesh = Mesh(np.array(jax.local_devices()), ("data",))
    if not batch_size:
        batch_size = mesh.size * (8 if jax.default_backend() == "cpu" else 64)
    batch_size = -(-batch_size // mesh.size) * mesh.size
    divided = NamedSharding(mesh, PartitionSpec("data"))
    variables = jax.device_put(network.variables, NamedSharding(mesh, PartitionSpec()))
    collected: dict[str, list[np.ndarray]] = {}
    running = None  # one batch is computed while the host fetches the one before it

    def collect(results, count: int) -> None:
        for name in outputs:
            if name in results:
                collected.setdefault(name, []).append(np.asarray(results[name])[:count])

    for images, count in _rebatch(batches, batch_size):
        started = network.apply(variables, jax.device_put(images, divided)), count
        if running is not None:
            collect(*running)
        running = started
    if running is None:
        raise UsageError(f"no images to take {network.description.name} features of")
    collect(*running)
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def _rebatch(batches: Iterable[np.ndarray], size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Arrays of exactly `size` images, the last one filled up with zeros, and how many count."""
    filled, count = None, 0
    for batch in batches:
        batch = np.asarray(batch)
        if batch.dtype != np.uint8 or batch.ndim != 4:
            raise UsageError(
                f"images are {batch.dtype} {list(batch.shape)}; expected uint8 [N, H, W, C]"
            )
        if filled is None:
            filled = np.zeros((size, *batch.shape[1:]), np.uint8)
        if batch.shape[1:] != filled.shape[1:]:
            raise UsageError(
                f"images of shapes {list(filled.shape[1:])} and {list(batch.shape[1:])}; expected"
                " one size for all"
            )
        while len(batch):
            taken = min(size - count, len(batch))
            filled[count : count + taken] = batch[:taken]
            batch, count = batch[taken:], count + taken
            if count == size:
                yield filled, size
                # Another array: the device may still read this one.
                filled, count = np.zeros_like(filled), 0
    if count:
        yield filled, count
