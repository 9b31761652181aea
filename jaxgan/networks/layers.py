"""Flax's layers on the operations of `conv`: the same parameters, fast gradients, and more.

`spectral_norm=True` divides a layer's kernel by its largest singular value (spectral.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from jaxgan.networks import conv
from jaxgan.networks.param import param
from jaxgan.networks.spectral import spectrally_normalized

Ints = int | Sequence[int]


def _kernel(layer: nn.Module, shape: tuple[int, ...]) -> jax.Array:
    kernel = param(layer, "kernel", layer.kernel_init, shape)
    return spectrally_normalized(layer, kernel) if layer.spectral_norm else kernel


def _convolve(layer: nn.Module, x: jax.Array, kernel_shape: tuple[int, ...], convolve: Callable):
    """What convolutions share: parameters, dtypes, and any number of leading batch axes."""
    kernel = _kernel(layer, kernel_shape)
    bias = None
    if layer.use_bias:
        bias = param(layer, "bias", layer.bias_init, (layer.features,))
    x, kernel, bias = promote_dtype(x, kernel, bias, dtype=layer.dtype)
    image = len(kernel_shape) - 1  # dimensions of one image
    y = convolve(x.reshape(-1, *x.shape[-image:]), kernel)
    y = y.reshape(*x.shape[:-image], *y.shape[1:])
    return y if bias is None else y + bias


def _size(kernel_size: Ints) -> tuple[int, ...]:
    return (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)


class Dense(nn.Module):
    """`flax.linen.Dense`: x: [..., I] -> [..., features]; kernel: [I, features]."""

    features: int
    use_bias: bool = True
    spectral_norm: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = _kernel(self, (x.shape[-1], self.features))
        y = jnp.dot(*promote_dtype(x, kernel))
        if self.use_bias:
            y += param(self, "bias", self.bias_init, (self.features,)).astype(y.dtype)
        return y


class Embed(nn.Module):
    """A vector for each of `num_embeddings` classes, [B, features]; table: [K, features].

    labels: int [B], or float [B, K], of several classes at once or of none: labels @ table.
    """

    num_embeddings: int
    features: int
    spectral_norm: bool = False
    embedding_init: nn.initializers.Initializer = nn.initializers.normal(1.0)

    @nn.compact
    def __call__(self, labels: jax.Array) -> jax.Array:
        shape = (self.num_embeddings, self.features)
        table = param(self, "embedding", self.embedding_init, shape)
        if self.spectral_norm:
            table = spectrally_normalized(self, table)
        if jnp.issubdtype(labels.dtype, jnp.integer):
            return jnp.take(table, labels, axis=0)
        if labels.shape[-1] != self.num_embeddings:
            raise ValueError(
                f"labels of shape {labels.shape}; expected int [B], or float"
                f" [B, {self.num_embeddings}] (num_classes)"
            )
        return jnp.dot(*promote_dtype(labels, table))


class Conv(nn.Module):
    """`flax.linen.Conv`: x: [..., *input, I] -> [..., *output, features].

    Parameters: kernel: [*kernel_size, I / feature_group_count, features], bias: [features].
    """

    features: int
    kernel_size: Ints
    strides: Ints | None = 1  # None: 1, as in Flax
    padding: conv.Padding = "SAME"
    kernel_dilation: Ints | None = 1
    feature_group_count: int = 1
    use_bias: bool = True
    spectral_norm: bool = False
    dtype: Any = None  # of the computation; None: that of x and the parameters, promoted
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inputs, groups = x.shape[-1], self.feature_group_count
        if inputs % groups or self.features % groups:
            raise ValueError(
                f"feature_group_count={groups} must divide the {inputs} input features and"
                f" features={self.features}"
            )

        def convolve(x, kernel):
            return conv.conv(
                x,
                kernel,
                strides=self.strides or 1,
                padding=self.padding,
                kernel_dilation=self.kernel_dilation or 1,
                groups=groups,
            )

        shape = (*_size(self.kernel_size), inputs // groups, self.features)
        return _convolve(self, x, shape, convolve)


class ConvTranspose(nn.Module):
    """`flax.linen.ConvTranspose`: x: [..., *input, I] -> [..., *output, features].

    Parameters: kernel: [*kernel_size, I, features], bias: [features].
    """

    features: int
    kernel_size: Ints
    strides: Ints | None = None  # None: 1, as in Flax
    padding: conv.Padding = "SAME"
    kernel_dilation: Ints | None = None
    use_bias: bool = True
    spectral_norm: bool = False
    dtype: Any = None
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def convolve(x, kernel):
            return conv.conv_transpose(
                x,
                kernel,
                strides=self.strides or 1,
                padding=self.padding,
                kernel_dilation=self.kernel_dilation or 1,
            )

        shape = (*_size(self.kernel_size), x.shape[-1], self.features)
        return _convolve(self, x, shape, convolve)


class UpsampleConv(nn.Module):
    """Nearest-neighbour upsampling by 2, then a convolution with an odd square kernel (SAME).

    x: [B, H, W, I] -> [B, 2 H, 2 W, features]; kernel: [k, k, I, features].
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    use_bias: bool = True
    spectral_norm: bool = False
    dtype: Any = None
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*self.kernel_size, x.shape[-1], self.features)
        return _convolve(self, x, shape, upsample_conv)


class ConvDownsample(nn.Module):
    """A convolution with an odd square kernel (SAME), then the mean of every 2x2 pixels.

    x: [B, H, W, I] -> [B, H / 2, W / 2, features]; kernel: [k, k, I, features].
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    use_bias: bool = True
    spectral_norm: bool = False
    dtype: Any = None
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*self.kernel_size, x.shape[-1], self.features)
        return _convolve(self, x, shape, conv_downsample)


def upsample_conv(x: jax.Array, w: jax.Array) -> jax.Array:
    """Nearest upsampling by 2 and `conv` with w: [k, k, I, O], k odd, as one operation.

    Both are linear: together they are a transposed convolution of stride 2 with a kernel of size
    k + 1, the sum of w and its neighbours. For k = 3 that is 4 products a pixel in place of 9.
    """
    grow = w.shape[0] // 2 + 1  # zeros around the dilated input
    return conv.conv_transpose(x, _with_neighbours(w), strides=2, padding=grow)


def conv_downsample(x: jax.Array, w: jax.Array) -> jax.Array:
    """`conv` with w: [k, k, I, O], k odd, and the mean of every 2x2 pixels, as one operation.

    Together they are a convolution of stride 2 with a kernel of size k + 1: for k = 3 16 products
    a pixel of the result in place of 36.
    """
    return conv.conv(x, _with_neighbours(w) / 4, strides=2, padding=w.shape[0] // 2)


def _with_neighbours(w: jax.Array) -> jax.Array:
    """w: [k, k, I, O] convolved with a 2x2 box: [k + 1, k + 1, I, O]."""
    w = jnp.pad(w, ((1, 1), (1, 1), (0, 0), (0, 0)))
    w = w[1:] + w[:-1]
    return w[:, 1:] + w[:, :-1]


def upsample(x: jax.Array) -> jax.Array:
    """Nearest-neighbour upsampling by 2: [B, H, W, C] -> [B, 2 H, 2 W, C]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def downsample(x: jax.Array) -> jax.Array:
    """The mean of every 2x2 pixels: [B, H, W, C] -> [B, H / 2, W / 2, C]."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
