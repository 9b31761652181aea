"""What a data set is to the rest of jaxgan: uint8 images, or points; perhaps labels and classes."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from jaxgan.errors import UsageError

SHOWN = 16  # labels in a picture of samples


@runtime_checkable
class ImageSource(Protocol):
    """Images that are read one by one, for sets too large for memory.

    `source[i]` is called from several threads at once and returns uint8 [H, W, C].
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...


class Modes(NamedTuple):
    """Where a distribution of points has its modes.

    centres: [K, d]. sigma: a sample within 3 sigma of a centre is one of high quality.
    """

    centres: np.ndarray
    sigma: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images and labels of one split, or points, which are float32 [N, d] and used as they are.

    Attributes:
      name: what messages and reports call the set.
      images: uint8 [N, H, W, C], float32 [N, d], or an `ImageSource` of N images [H, W, C].
      labels: int32 [N] in [0, num_classes); float32 [N, num_classes], where an image has several
        classes, a share of each, or any numbers that describe it; or None.
      classes: the names of the classes, or of a vector's entries; () when unlabelled.
      named: whether these are names, and not the numbers in place of names that are not known.
      modes: of points, where they are known.
      count, gather: of a set whose examples are made of several images: how many there are, and
        (images, indices [...]) -> uint8 [..., H', W', C'], for NumPy and JAX arrays alike.

    Raises:
      UsageError: the parts do not fit together.
    """

    name: str
    images: Any
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    named: bool = True
    modes: Modes | None = None
    count: int = 0
    gather: Callable[[Any, Any], Any] | None = None

    def __post_init__(self):
        if self.is_resident and (self.images.dtype, self.images.ndim) not in (
            (np.uint8, 4),
            (np.float32, 2),
        ):
            raise UsageError(
                f"data set {self.name!r}: images are {self.images.dtype} "
                f"{list(self.images.shape)}; expected uint8 [N, H, W, C], or points, float32 [N, d]"
            )
        if len(self.images) == 0:
            raise UsageError(f"data set {self.name!r} holds no images; give one that has some")
        if self.labels is None:
            if self.classes:
                raise UsageError(f"data set {self.name!r} names classes but has no labels")
            return
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        labels = np.asarray(self.labels)
        if labels.ndim == 2:
            object.__setattr__(self, "labels", self._vectors(labels))
            return
        if labels.shape != (self.num_examples,) or labels.dtype.kind not in "iu":
            raise UsageError(
                f"data set {self.name!r}: labels are {labels.dtype} {list(labels.shape)}; "
                f"expected one integer for each of the {self.num_examples} images"
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.classes):
            raise UsageError(
                f"data set {self.name!r}: labels go from {low} to {high}; "
                f"expected 0 to {len(self.classes) - 1} for its {len(self.classes)} classes"
            )
        object.__setattr__(self, "labels", labels.astype(np.int32))

    def _vectors(self, labels: np.ndarray) -> np.ndarray:
        expected = (self.num_examples, len(self.classes))
        if labels.shape != expected or labels.dtype.kind not in "fiub" or not expected[1]:
            raise UsageError(
                f"data set {self.name!r}: labels are {labels.dtype} {list(labels.shape)}; expected "
                f"{list(expected)}, a vector for each image with an entry for each name in classes"
            )
        labels = labels.astype(np.float32)
        if bad := np.count_nonzero(~np.isfinite(labels).all(axis=1)):
            raise UsageError(f"data set {self.name!r}: {bad} labels are not finite")
        return labels

    @property
    def is_resident(self) -> bool:
        """Whether all images are one array in memory."""
        return isinstance(self.images, np.ndarray)

    @property
    def num_examples(self) -> int:
        return self.count or len(self.images)

    @property
    def is_points(self) -> bool:
        """Whether examples are points and no pictures."""
        return len(self.image_shape) == 1

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Examples [n, ...] on the host."""
        if self.gather is not None:
            return self.gather(self.images, indices)
        if self.is_resident:
            return self.images[indices]
        return np.stack([self.images[i] for i in indices.tolist()])

    @functools.cached_property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W, C) of every image, (d,) of a point."""
        shape = self.take(np.zeros(1, np.int64)).shape[1:]
        return tuple(int(side) for side in shape)

    @property
    def num_classes(self) -> int:
        """Of vectors the length; 0 when the set has no labels."""
        return len(self.classes)

    @property
    def label_vectors(self) -> np.ndarray:
        """Where labels are vectors, at most SHOWN different ones, [n, K]; else [0, 0]."""
        if self.labels is None or self.labels.ndim == 1:
            return np.zeros((0, 0), np.float32)
        spread = np.linspace(0, len(self.labels) - 1, SHOWN).astype(int)
        return np.unique(self.labels[spread], axis=0)
