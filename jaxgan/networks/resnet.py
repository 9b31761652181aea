"""Residual networks in the form of SNGAN (Miyato et al. 2018, appendix B) and WGAN-GP.

Up to 32 pixels all blocks have the same width, and the discriminator ends in two blocks that keep
the side. Above, as published for 64 and 128 pixels, channels double as the side halves and one
block keeps it. The side is halved as `dcgan.levels` does: 28 = 7 * 2^2, 32 = 4 * 2^3.

Upsampling and the convolution after it are one operation, and so are a convolution and the pooling
after it; pooling comes before a 1x1 convolution, with which it commutes, and upsampling after it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.dcgan import levels
from jaxgan.networks.layers import (
    Conv,
    ConvDownsample,
    Dense,
    UpsampleConv,
    downsample,
    upsample,
)
from jaxgan.networks.parts import NORMS, LabelMap, LabelVector

# Of 3x3 kernels, which follow a ReLU; Glorot's uniform for the others (the authors' code).
RELU_GLOROT = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")
GLOROT = nn.initializers.glorot_uniform()


class BlockUp(nn.Module):
    """Doubles the side: [B, H, W, I] -> [B, 2 H, 2 W, features]."""

    features: int
    norm: str

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        h = nn.relu(norm()(x, train=train))
        h = UpsampleConv(self.features, kernel_init=RELU_GLOROT)(h)
        h = nn.relu(norm()(h, train=train))
        h = Conv(self.features, (3, 3), kernel_init=RELU_GLOROT)(h)
        return h + upsample(Conv(self.features, (1, 1), kernel_init=GLOROT)(x))


class Block(nn.Module):
    """A block of the discriminator: [B, H, W, I] -> [B, H', W', features], halved or not.

    first: x is an image, to which no ReLU is applied.
    """

    features: int
    halve: bool
    spectral_norm: bool
    first: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        spectral = {"spectral_norm": self.spectral_norm}
        last = ConvDownsample if self.halve else Conv
        # The authors widen at the second convolution; the first block has one width throughout.
        inner = self.features if self.first else x.shape[-1]
        h = x if self.first else nn.relu(x)
        h = Conv(inner, (3, 3), kernel_init=RELU_GLOROT, **spectral)(h)
        h = last(self.features, kernel_size=(3, 3), kernel_init=RELU_GLOROT, **spectral)(nn.relu(h))
        x = downsample(x) if self.halve else x
        if self.halve or x.shape[-1] != self.features:
            x = Conv(self.features, (1, 1), kernel_init=GLOROT, **spectral)(x)
        return h + x


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` is the number of channels at full resolution."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 128
    prior: str = "normal"
    width: int = 256
    norm: str = "batch"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        ups = levels(self.image_shape)
        widths = [self.width << (n if ups > 3 else 0) for n in reversed(range(ups + 1))]
        side = self.image_shape[0] >> ups
        x = LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = Dense(side * side * widths[0], kernel_init=GLOROT)(x)
        x = x.reshape(-1, side, side, widths[0])
        for features in widths[1:]:
            x = BlockUp(features, self.norm)(x, train=train)
        x = nn.relu(choose("norm", NORMS, self.norm)()(x, train=train))
        x = Conv(self.image_shape[-1], (3, 3), kernel_init=GLOROT)(x)
        return nn.tanh(x)


class Discriminator(nn.Module):
    """Images to logits; `width` is the number of channels after the first block."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    spectral_norm: bool = True

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = LabelMap(self.num_classes)(images, labels)
        downs = levels(self.image_shape)
        if downs > 3:
            widths = [self.width << n for n in range(downs)]
            widths.append(widths[-1])
        else:
            downs, widths = 2, [self.width] * 4
        for level, features in enumerate(widths):
            x = Block(features, level < downs, self.spectral_norm, first=level == 0)(x)
        x = jnp.sum(nn.relu(x), axis=(1, 2))
        self.sow("intermediates", "features", x)
        return Dense(1, kernel_init=GLOROT, spectral_norm=self.spectral_norm)(x)[:, 0]
