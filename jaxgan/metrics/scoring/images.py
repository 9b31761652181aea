"""Sets of images that are to be scored, read or generated batch by batch."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from jaxgan.data.dataset import Dataset, Modes
from jaxgan.data.order import shuffled_index
from jaxgan.errors import UsageError

BATCH = 256


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """uint8 images, or points (float32 [N, d]), the same at every reading; equal to itself alone.

    Attributes:
      name: what reports call the set.
      count: how many.
      read: (begin, end) -> uint8 [end - begin, H, W, C].
      labels: int32 [count], or float32 [count, K], or None.
      classes: what the labels' numbers mean; () where that is not known.
      modes: of points, where they are known.
    """

    name: str
    count: int
    read: Callable[[int, int], np.ndarray]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    modes: Modes | None = None

    def batches(self, limit: int | None = None) -> Iterator[np.ndarray]:
        """The first `limit` of them, or all."""
        count = self.count if limit is None else min(limit, self.count)
        for begin in range(0, count, BATCH):
            yield self.read(begin, min(begin + BATCH, count))

    def pixels(self, limit: int) -> np.ndarray:
        """The first `limit` of them, uint8 [n, H, W, C]."""
        return np.concatenate(list(self.batches(limit)))

    def sha256(self) -> str:
        """Of the pixels and their shape: what a score was measured on, whatever it is called."""
        digest = hashlib.sha256()
        for batch in self.batches():
            digest.update(str(batch.shape[1:]).encode())
            digest.update(np.ascontiguousarray(batch))
        return digest.hexdigest()


def images_of(dataset: Dataset, limit: int = 0) -> Images:
    """The images of a data set in a shuffled order that is always the same; 0 means all of them.

    Shuffled, since a folder comes sorted by class and its beginning would be no sample of it.

    Raises:
      UsageError: `limit` is more than there are.
    """
    if limit > dataset.num_examples:
        raise UsageError(
            f"{limit} real images are asked for; {dataset.name} has {dataset.num_examples}"
        )
    count = limit or dataset.num_examples
    order = shuffled_index(np.zeros(2, np.uint32), np.arange(count), dataset.num_examples)

    labels = None if dataset.labels is None else dataset.labels[order]
    return Images(
        name=dataset.name,
        count=count,
        read=lambda begin, end: dataset.take(order[begin:end]),
        labels=labels,
        classes=dataset.classes if dataset.named else (),
        modes=dataset.modes,
    )


def in_classes_of(images: Images, reference: Images) -> Images:
    """`images` whose labels mean what those of `reference` do, matched by the classes' names.

    Where the names of either are not known the numbers stay.

    Raises:
      UsageError: a class of `images` is none of `reference`.
    """
    own, wanted = images.classes, reference.classes
    if images.labels is None or not own or not wanted or own == wanted:
        return images
    if missing := sorted(set(own) - set(wanted)):
        raise UsageError(
            f"{images.name} has classes that {reference.name} has not: {', '.join(missing[:12])}"
        )
    places = np.array([wanted.index(name) for name in own])
    if images.labels.ndim == 1:
        return dataclasses.replace(
            images, labels=places[images.labels].astype(np.int32), classes=wanted
        )
    labels = np.zeros((len(images.labels), len(wanted)), images.labels.dtype)
    labels[:, places] = images.labels
    return dataclasses.replace(images, labels=labels, classes=wanted)
