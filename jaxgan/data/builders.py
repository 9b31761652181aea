"""Prepares MNIST, Fashion-MNIST and CIFAR-10 where TensorFlow is absent.

TFDS's own builders decompress and encode with TensorFlow. These have the same names, versions,
features and keys, so that what they write is read as the official set; they decompress with the
standard library and hand over Pillow images. Downloading, the check of size and SHA-256,
shuffling and writing are TFDS's.
"""

import os

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxgan.data.archives import cifar10_classes, read_cifar10, read_idx
from jaxgan.errors import UsageError


def _url_infos(base: str, *files: tuple[str, int, str]) -> dict:
    """TFDS's record of what a download must be, from (file, bytes, SHA-256)."""
    info = tfds.download.checksums.UrlInfo
    return {base + name: info(size=size, checksum=sha, filename=name) for name, size, sha in files}


class MNIST(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """MNIST (LeCun et al. 1998) from its four gzipped IDX files."""

    VERSION = tfds.core.Version("3.0.1")
    # Of TFDS's table of checksums, in the order of _split_generators below.
    url_infos = _url_infos(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        (
            "train-images-idx3-ubyte.gz",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )
    classes = tuple("0123456789")
    homepage = "http://yann.lecun.com/exdb/mnist/"

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(names=self.classes),
                }
            ),
            supervised_keys=("image", "label"),
            description=type(self).__doc__,
            homepage=self.homepage,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        paths = [os.fspath(path) for path in dl_manager.download(list(self.url_infos))]
        return {
            "train": self._generate_examples(*paths[:2]),
            "test": self._generate_examples(*paths[2:]),
        }

    def _generate_examples(self, images_path: str, labels_path: str):
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise UsageError(
                f"{images_path} and {labels_path} do not fit together: "
                f"{images.shape} images, {labels.shape} labels"
            )
        for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            yield i, {"image": Image.fromarray(image), "label": label}


class FashionMNIST(MNIST, skip_registration=True):
    """Fashion-MNIST (Xiao et al. 2017), in MNIST's format."""

    VERSION = tfds.core.Version("3.0.1")
    url_infos = _url_infos(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "train-images-idx3-ubyte.gz",
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    homepage = "https://github.com/zalandoresearch/fashion-mnist"


class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """CIFAR-10 (Krizhevsky 2009) from its binary version, which needs no unpickling."""

    VERSION = tfds.core.Version("3.0.2")
    url_infos = _url_infos(
        "https://www.cs.toronto.edu/~kriz/",
        (
            "cifar-10-binary.tar.gz",
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            description=type(self).__doc__,
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        (path,) = (os.fspath(path) for path in dl_manager.download(list(self.url_infos)))
        self.info.features["label"].names = cifar10_classes(path)
        return {split: self._generate_examples(path, split) for split in ("train", "test")}

    def _generate_examples(self, path: str, split: str):
        for i, (label, image) in enumerate(read_cifar10(path, split)):
            picture = Image.fromarray(np.ascontiguousarray(image))
            yield i, {"id": f"{split}_{i:05d}", "image": picture, "label": label}


BUILDERS = {builder.name: builder for builder in (MNIST, FashionMNIST, Cifar10)}
