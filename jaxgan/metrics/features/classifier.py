"""Small convolutional classifiers of MNIST and Fashion-MNIST, whose weights come with the package.

`experiments/classifiers/train.py` trains them; its README states the measured test accuracies.
"""

import pathlib

import chex
import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.metrics.features.weights import Found, Published, check_weights, sha256_of
from jaxgan.networks.layers import Conv

SIZE = 28
DIMENSION = 96
NUM_LOGITS = 10
WEIGHTS = pathlib.Path(__file__).parent / "weights"


class Layer(nn.Module):
    """A 3x3 convolution, batch normalization, relu."""

    features: int
    strides: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = Conv(self.features, (3, 3), strides=self.strides, use_bias=False)(x)
        return nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))


class Classifier(nn.Module):
    """Five layers of convolution, the last two residual, the mean over space, a dense layer.

    images: [B, H, W, C] in [-1, 1], H and W even; those whose weights come with the package see
    28x28x1. Returns {"features": [B, 96], the layer before the last, "logits": [B, num_classes]}.
    """

    num_classes: int = NUM_LOGITS

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> dict[str, jax.Array]:
        chex.assert_rank(images, 4)
        batch, height, width, channels = images.shape
        # Squares of 2x2 pixels become channels: a convolution of one channel at full size would
        # take the longest on CPU (a gradient step of 128 images, four layers of 24, 48, 96 and 96
        # features from 28x28 on: 147 ms; of 32, 48, 96 and 96 from these squares on: 119 ms).
        squares = images.reshape(batch, height // 2, 2, width // 2, 2, channels)
        x = squares.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, -1)
        x = Layer(32)(x, train=train)
        x = Layer(48)(x, train=train)
        x = Layer(DIMENSION, strides=2)(x, train=train)
        x = x + Layer(DIMENSION)(x, train=train)
        x = x + Layer(DIMENSION)(x, train=train)
        features = x.mean(axis=(1, 2))
        return {"features": features, "logits": nn.Dense(self.num_classes)(features)}


def pack(variables) -> dict[str, np.ndarray]:
    """The variables of a `Classifier` as arrays named by their paths."""
    leaves = jax.tree.leaves_with_path(variables)
    return {"/".join(key.key for key in path): np.asarray(array) for path, array in leaves}


def unpack(arrays: dict[str, np.ndarray]):
    """The inverse of `pack`."""
    return flax.traverse_util.unflatten_dict(
        {name: jnp.asarray(array) for name, array in arrays.items()}, sep="/"
    )


def find_weights(name: str, path: str | pathlib.Path = "", *, verify: bool = True) -> Found:
    """The weights of the classifier `name`, a data set: the package's, or those at `path`.

    Raises:
      UsageError: there is no file; `path` has other weights than the package's, and `verify`.
    """
    own = WEIGHTS / f"{name}.safetensors"
    published = Published(file=own.name, url="the package's own", sha256=sha256_of(own))
    cure = "leave weights out for those that come with the package"
    return check_weights(published, path or own, cure, verify=verify)
