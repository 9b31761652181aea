"""What a data set is to the rest of jaxgan: uint8 images, perhaps labels and names of classes."""

import dataclasses
import functools
from typing import Any, Protocol, runtime_checkable

import numpy as np

from jaxgan.errors import UsageError


@runtime_checkable
class ImageSource(Protocol):
    """Images that are read one by one, for sets too large for memory.

    `source[i]` is called from several threads at once and returns uint8 [H, W, C].
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images and labels of one split.

    Attributes:
      name: what messages and reports call the set.
      images: uint8 [N, H, W, C], or an `ImageSource` of N images [H, W, C].
      labels: int32 [N] in [0, num_classes), or None.
      classes: the classes' names; () when unlabelled.

    Raises:
      UsageError: the parts do not fit together.
    """

    name: str
    images: Any
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self):
        if self.is_resident and (self.images.dtype != np.uint8 or self.images.ndim != 4):
            raise UsageError(
                f"data set {self.name!r}: images are {self.images.dtype} "
                f"{list(self.images.shape)}; expected uint8 [N, H, W, C]"
            )
        if len(self.images) == 0:
            raise UsageError(f"data set {self.name!r} holds no images; give one that has some")
        if self.labels is None:
            if self.classes:
                raise UsageError(f"data set {self.name!r} names classes but has no labels")
            return
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        labels = np.asarray(self.labels)
        if labels.shape != (len(self.images),) or labels.dtype.kind not in "iu":
            raise UsageError(
                f"data set {self.name!r}: labels are {labels.dtype} {list(labels.shape)}; "
                f"expected one integer for each of the {len(self.images)} images"
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.classes):
            raise UsageError(
                f"data set {self.name!r}: labels go from {low} to {high}; "
                f"expected 0 to {len(self.classes) - 1} for its {len(self.classes)} classes"
            )
        object.__setattr__(self, "labels", labels.astype(np.int32))

    @property
    def is_resident(self) -> bool:
        """Whether all images are one array in memory."""
        return isinstance(self.images, np.ndarray)

    @property
    def num_examples(self) -> int:
        return len(self.images)

    @functools.cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        shape = self.images.shape[1:] if self.is_resident else np.shape(self.images[0])
        return tuple(int(side) for side in shape)

    @property
    def num_classes(self) -> int:
        """0 when the set has no labels."""
        return len(self.classes)
