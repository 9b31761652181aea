"""The data set that comes with the package, for first runs and tests without any download."""

import pathlib

import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.labelling import check_labels
from jaxgan.data.shaping import Shaping
from jaxgan.errors import UsageError

FASHION_MNIST_10K = pathlib.Path(__file__).with_name("fashion_mnist_10k.npz")


def load_fashion_mnist_10k(
    *,
    dir: str = "",
    split: str = "train",
    resolution: int = 0,
    channels: int = 0,
    resize: str = "lanczos",
    crop: str = "center",
    labels: bool | None = None,
    on_bad_image: str = "raise",
) -> Dataset:
    """The first 10,000 training images of Fashion-MNIST, 28x28x1, in 10 roughly even classes.

    `dir` and `on_bad_image` have no meaning here: the file comes with the package.
    """
    if split != "train":
        raise UsageError(
            f"data set 'fashion_mnist_10k' has no split {split!r}, only 'train'; "
            "choose data set 'fashion_mnist' for the test split"
        )
    shaping = Shaping(resolution=resolution, channels=channels, resize=resize, crop=crop)
    with np.load(FASHION_MNIST_10K, allow_pickle=False) as file:
        images, numbers, names = file["images"], file["labels"], file["classes"]
    keep = check_labels(labels, True, "fashion_mnist_10k", "")
    return Dataset(
        name="fashion_mnist_10k",
        images=shaping.arrays(images, "fashion_mnist_10k"),
        labels=numbers if keep else None,
        classes=tuple(names.tolist()) if keep else (),
    )
