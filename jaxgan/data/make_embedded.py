"""Builds embedded/fashion_mnist_10k.npz from TFDS's Fashion-MNIST.

    python -m jaxgan.data.make_embedded --dir ../shared/data/tfds

The first 10,000 examples of the train split, in TFDS's order, which is already shuffled: the
classes hold 966 to 1,028 images each.
"""

import argparse
import sys

import numpy as np

from jaxgan.data.embedded import FASHION_MNIST_10K
from jaxgan.errors import UsageError

_COUNT = 10_000


def make(directory: str) -> np.ndarray:
    """Writes the file; returns the number of images in each class."""
    from jaxgan.data.sources import load_dataset

    full = load_dataset("fashion_mnist", dir=directory, labels=True)
    images, labels = full.images[:_COUNT], full.labels[:_COUNT]
    np.savez_compressed(
        FASHION_MNIST_10K,
        images=images,
        labels=labels.astype(np.uint8),
        classes=np.array(full.classes),
    )
    return np.bincount(labels, minlength=full.num_classes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", default="", help="where TFDS keeps its prepared data sets")
    try:
        counts = make(parser.parse_args().dir)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    size = FASHION_MNIST_10K.stat().st_size
    print(f"wrote {FASHION_MNIST_10K} ({size} bytes), images in each class: {counts.tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
