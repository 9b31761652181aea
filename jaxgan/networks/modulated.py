"""Convolutions whose kernels a style scales, for each example (Karras et al. 2020, sec. 2.2).

With a kernel w_kio over places k, inputs i and outputs o, and a style s_i of an example,

    w'_kio  = s_i w_kio                                     (eq. 1)
    w''_kio = w'_kio / sqrt(sum over i, k of w'_kio^2)      (eq. 3)

A convolution is linear, so that scaling its inputs by s and its outputs by the root is the same,
with one kernel for the whole batch.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.networks import conv
from jaxgan.networks.equalized import Dense, activate, kernel_of
from jaxgan.networks.param import param
from jaxgan.networks.resample import upsample_conv


def modulated_conv(
    x: jax.Array, w: jax.Array, styles: jax.Array, *, demodulate: bool = True, up: bool = False
) -> jax.Array:
    """x: [B, H, W, I], w: [k, k, I, O], styles: [B, I] -> [B, H, W, O], at twice the sides if `up`.

    demodulate: outputs of independent inputs of variance 1 have variance 1, in the mean.
    """
    x = x * styles.astype(x.dtype)[:, None, None]
    y = upsample_conv(x, w.astype(x.dtype)) if up else conv.conv(x, w.astype(x.dtype))
    if not demodulate:
        return y
    w, styles = w.astype(jnp.float32), styles.astype(jnp.float32)
    power = jnp.dot(styles**2, jnp.sum(w**2, axis=(0, 1)), precision=jax.lax.Precision.HIGHEST)
    return y * jax.lax.rsqrt(power + 1e-8).astype(y.dtype)[:, None, None]


class StyledConv(nn.Module):
    """A modulated 3x3 convolution, noise of a learned strength, bias, activation.

    index: of the layer in its network, to each of which belongs one picture of noise where there
      is no key to draw one for each image.
    """

    features: int
    index: int
    up: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array, *, train: bool) -> jax.Array:
        styles = Dense(x.shape[-1], bias=1.0, name="affine")(w)
        kernel = kernel_of(self, (3, 3, x.shape[-1], self.features))
        x = modulated_conv(x, kernel, styles, up=self.up)
        zero = nn.initializers.zeros_init()
        strength = param(self, "noise_strength", zero, ())
        bias = param(self, "bias", zero, (self.features,))
        x = x + strength.astype(x.dtype) * self._noise(x) + bias.astype(x.dtype)
        return activate(x)

    def _noise(self, x: jax.Array) -> jax.Array:
        if self.has_rng("dropout"):
            return jax.random.normal(self.make_rng("dropout"), (*x.shape[:3], 1), x.dtype)
        key = jax.random.fold_in(jax.random.key(0), self.index)
        return jax.random.normal(key, (1, *x.shape[1:3], 1), x.dtype)


class ToImage(nn.Module):
    """A modulated 1x1 convolution to the channels of images, not demodulated, and a bias."""

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        styles = Dense(x.shape[-1], bias=1.0, name="affine")(w)
        kernel = kernel_of(self, (1, 1, x.shape[-1], self.channels))
        bias = param(self, "bias", nn.initializers.zeros_init(), (self.channels,))
        return modulated_conv(x, kernel, styles, demodulate=False) + bias.astype(x.dtype)
