"""Layers with equalised learning rates (Karras et al. 2018, sec. 4.1).

Kernels are drawn from N(0, 1), and scaled as He et al. 2015 at each use: to the optimizer, which
scales gradients by their size, all parameters are of size 1. `lr_multiplier` slows a layer down:
its parameters are so many times larger, and scaled down again.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from jaxgan.networks import conv
from jaxgan.networks.param import param
from jaxgan.networks.resample import conv_downsample


def activate(x: jax.Array) -> jax.Array:
    """leaky_relu of slope 0.2, times sqrt(2), which nearly keeps the variance of N(0, 1)."""
    return 2**0.5 * nn.leaky_relu(x, negative_slope=0.2)


def pixel_norm(x: jax.Array) -> jax.Array:
    """Every vector [..., D] at a mean square of 1, in float32 at least."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = jnp.mean(wide**2, axis=-1, keepdims=True)
    return (wide * jax.lax.rsqrt(mean + 1e-8)).astype(x.dtype)


def kernel_of(layer: nn.Module, shape: tuple[int, ...], lr_multiplier: float = 1.0) -> jax.Array:
    """The kernel [..., I, O] of `layer`, scaled to a variance of 1 over its inputs."""
    init = nn.initializers.normal(1 / lr_multiplier)
    kernel = param(layer, "kernel", init, shape)
    fan_in = kernel.size // shape[-1]
    return kernel * (lr_multiplier / fan_in**0.5)


class Dense(nn.Module):
    """[..., I] -> [..., features]."""

    features: int
    lr_multiplier: float = 1.0
    bias: float = 0.0  # at first

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = kernel_of(self, (x.shape[-1], self.features), self.lr_multiplier)
        init = nn.initializers.constant(self.bias / self.lr_multiplier)
        bias = param(self, "bias", init, (self.features,)) * self.lr_multiplier
        x, kernel, bias = promote_dtype(x, kernel, bias)
        return jnp.dot(x, kernel) + bias


class Conv(nn.Module):
    """[B, H, W, I] -> [B, H, W, features], or where it halves the sides, by a binomial filter."""

    features: int
    kernel_size: int = 3
    halve: bool = False
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size = self.kernel_size
        kernel = kernel_of(self, (size, size, x.shape[-1], self.features))
        x, kernel = promote_dtype(x, kernel)
        x = conv_downsample(x, kernel) if self.halve else conv.conv(x, kernel)
        if not self.use_bias:
            return x
        bias = param(self, "bias", nn.initializers.zeros_init(), (self.features,))
        return x + bias.astype(x.dtype)
