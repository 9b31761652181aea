"""Flax's convolution layers on the operations of `conv`: the same parameters, fast gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from jaxgan.networks import conv

Ints = int | Sequence[int]


def _convolve(layer: nn.Module, x: jax.Array, kernel_shape: tuple[int, ...], convolve: Callable):
    """What the two layers share: parameters, dtypes, and any number of leading batch axes."""
    kernel = layer.param("kernel", layer.kernel_init, kernel_shape, jnp.float32)
    bias = None
    if layer.use_bias:
        bias = layer.param("bias", layer.bias_init, (layer.features,), jnp.float32)
    x, kernel, bias = promote_dtype(x, kernel, bias, dtype=layer.dtype)
    image = len(kernel_shape) - 1  # dimensions of one image
    y = convolve(x.reshape(-1, *x.shape[-image:]), kernel)
    y = y.reshape(*x.shape[:-image], *y.shape[1:])
    return y if bias is None else y + bias


def _size(kernel_size: Ints) -> tuple[int, ...]:
    return (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)


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
