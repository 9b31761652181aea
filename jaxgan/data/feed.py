"""The way of the images to the device: (seed, step) -> the batch of that step.

Both feeds have the same two parts. `inputs(step, count)` runs on the host and returns arrays on the
device, all that `count` steps need; `batch(inputs, key, step, index)` is a pure function for the
inside of a compiled step. For the same key and step both give the same batch, bit for bit, so which
one a data set gets is a question of memory alone. Where several processes train, each reads what
its own devices need of a batch.
"""

import copy
import zlib
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.order import batch_indices
from jaxgan.errors import UsageError

_FLIP = zlib.crc32(b"jaxgan.data.flip")
# Whole batches are read by so many threads, and wait, on the device, in a queue as long.
_THREADS = 8


class Placement(Protocol):
    """How arrays get to the devices, also where several processes have some each."""

    def whole(self, arrays: Any) -> Any:
        """A tree of NumPy arrays, equal in all processes, on every device."""

    def rows(self, count: int) -> np.ndarray:
        """Those of `count` examples that this process reads."""

    def shared(self, arrays: Any, count: int) -> Any:
        """Arrays [draws, len(rows(count)), ...] as this process's part of [draws, count, ...]."""


class OneDevice:
    """The placement on JAX's default device."""

    def whole(self, arrays: Any) -> Any:
        return jax.device_put(arrays)

    def rows(self, count: int) -> np.ndarray:
        return np.arange(count)

    def shared(self, arrays: Any, count: int) -> Any:
        return jax.device_put(arrays)


ONE = OneDevice()


class ResidentFeed:
    """Keeps all images on the device; a batch is a gather inside the compiled step.

    Args:
      dataset: its images are one array.
      batch_size: images in one batch, B.
      draws: batches in one step (one for each turn of the discriminator, say).
      flip: mirror each image left to right with probability 1/2.
      placement: puts arrays on the device or devices.

    Raises:
      UsageError: batch_size is not in 1 to the number of images.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        draws: int = 1,
        flip: bool = False,
        placement: Placement = ONE,
    ):
        _check_sizes(dataset, batch_size, draws)
        if not dataset.is_resident:
            raise UsageError(f"data set {dataset.name!r} is not in memory: use StreamFeed")
        self._sizes = draws, batch_size, dataset.num_examples
        self._flip, self._gather = flip, dataset.gather
        arrays = {"images": dataset.images}
        if dataset.labels is not None:
            arrays["labels"] = dataset.labels
        self._inputs = placement.whole(arrays)

    def in_order_of(self, key: jax.Array) -> "ResidentFeed":
        """The feed for another key than before: this one, which leaves the order to `batch`."""
        return self

    def inputs(self, step: int, count: int = 1):
        """{"images": uint8 [N, H, W, C], "labels": int32 [N] if any}, the same at every step."""
        return self._inputs

    def batch(self, inputs, key: jax.Array, step, index=0) -> dict[str, jax.Array]:
        """The batch of one step.

        Args:
          inputs: of `inputs`.
          key: a typed PRNG key, the seed of the data; the same at every step.
          step: int32, may be traced.
          index: of the step among those that `inputs` was asked for; may be traced.

        Returns:
          {"image": float32 [draws, B, H, W, C] in [-1, 1], "label": int32 [draws, B] if any}.
        """
        indices = batch_indices(jax.random.key_data(key), step, *self._sizes)
        drawn = {name: array[indices] for name, array in inputs.items() if name != "images"}
        images = inputs["images"]
        drawn["images"] = self._gather(images, indices) if self._gather else images[indices]
        return _finish(drawn, key, step, self._flip)


class StreamFeed:
    """Reads each step's images on the host, ahead of time, through Grain.

    Consecutive steps come from a queue that threads fill; any other step re-opens the queue
    there, so that a resumed run goes on exactly where it stood.

    Args:
      seed_key: the key that will be passed to `batch`.
      (the rest): as `ResidentFeed`; images may be an `ImageSource`.

    Raises:
      UsageError: batch_size is not in 1 to the number of images.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed_key: jax.Array,
        *,
        draws: int = 1,
        flip: bool = False,
        placement: Placement = ONE,
    ):
        _check_sizes(dataset, batch_size, draws)
        self._dataset = dataset
        self._sizes = draws, batch_size, dataset.num_examples
        self._set_key(seed_key)
        self._flip = flip
        self._placement = placement

    def _set_key(self, key: jax.Array) -> None:
        self._words = np.asarray(jax.random.key_data(key))
        self._queue = iter(())
        self._last_step: int | None = None
        self._last_inputs = None

    def in_order_of(self, key: jax.Array) -> "StreamFeed":
        """The feed for another seed_key."""
        feed = copy.copy(self)
        feed._set_key(key)
        return feed

    def inputs(self, step: int, count: int = 1):
        """{"images": uint8 [count, draws, B, H, W, C], "labels": int32 [count, draws, B]}."""
        steps = [self._read_ahead(int(step) + i) for i in range(count)]
        return jax.tree.map(lambda *arrays: jnp.stack(arrays), *steps)

    def batch(self, inputs, key: jax.Array, step, index=0) -> dict[str, jax.Array]:
        """As `ResidentFeed.batch`; key must be the constructor's seed_key."""
        return _finish(
            {name: array[index] for name, array in inputs.items()}, key, step, self._flip
        )

    def _read_ahead(self, step: int):
        """The images of one step, from the queue where it stands there."""
        if step == self._last_step:
            return self._last_inputs
        if self._last_step is None or step != self._last_step + 1:
            self._queue = self._open(step)
        self._last_step = None  # should the read fail, the next call opens the queue anew
        self._last_inputs = next(self._queue)
        self._last_step = step
        return self._last_inputs

    def _open(self, step: int):
        import grain  # only here: it takes long, and with an older jaxlib it warns as it does

        options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_THREADS)
        steps = grain.MapDataset.range(step, np.iinfo(np.int32).max)
        return iter(steps.map(self._read).to_iter_dataset(options))

    def _read(self, step: int):
        batch_size = self._sizes[1]
        rows = self._placement.rows(batch_size)
        indices = batch_indices(self._words, step, *self._sizes)[:, rows]
        images = self._dataset.take(indices.ravel())
        drawn = {"images": images.reshape(*indices.shape, *images.shape[1:])}
        if self._dataset.labels is not None:
            drawn["labels"] = self._dataset.labels[indices]
        return self._placement.shared(drawn, batch_size)


def make_feed(
    dataset: Dataset,
    batch_size: int,
    seed_key: jax.Array,
    draws: int = 1,
    flip: bool = False,
    placement: Placement = ONE,
) -> ResidentFeed | StreamFeed:
    """The feed that suits the data set: resident if its images are in memory, else streamed.

    Raises:
      UsageError: `flip` of points, or a batch size or number of draws that the data cannot give.
    """
    if flip and dataset.is_points:
        raise UsageError(f"data.flip mirrors images; {dataset.name} has points (set it to False)")
    if dataset.is_resident:
        return ResidentFeed(dataset, batch_size, draws=draws, flip=flip, placement=placement)
    return StreamFeed(dataset, batch_size, seed_key, draws=draws, flip=flip, placement=placement)


def to_float(images: jax.Array) -> jax.Array:
    """float32 in [-1, 1] of uint8: x / 127.5 - 1, to the last bit or the one before.

    Points, which are float32 already, are left as they are.

    In this form every operation but the last is exact. XLA turns x / 127.5 - 1 into a product and
    a sum, fuses the two or not as the surroundings have it, and reaches 1.0000001.
    """
    if images.dtype == jnp.float32:
        return images
    return (images.astype(jnp.float32) * 2 - 255) * np.float32(1 / 255)


def _finish(drawn, key: jax.Array, step, flip: bool) -> dict[str, jax.Array]:
    image = to_float(drawn["images"])
    if flip:
        key = jax.random.fold_in(jax.random.fold_in(key, _FLIP), step)
        mirrored = jax.random.bernoulli(key, shape=image.shape[:2])
        image = jnp.where(mirrored[..., None, None, None], image[..., ::-1, :], image)
    batch = {"image": image}
    if "labels" in drawn:
        batch["label"] = drawn["labels"]
    return batch


def _check_sizes(dataset: Dataset, batch_size: int, draws: int) -> None:
    if draws < 1:
        raise UsageError(f"draws is {draws}; expected at least 1")
    if not 1 <= batch_size <= dataset.num_examples:
        raise UsageError(
            f"batch_size is {batch_size}; expected 1 to {dataset.num_examples}, the number of "
            f"images in data set {dataset.name!r}"
        )
