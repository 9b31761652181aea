"""DCGAN (Radford et al. 2016) in the 4x4-kernel form, for square images of many sizes.

The side is halved twice, and on until it is less than 8 or odd: 32 = 4 * 2^3, 28 = 7 * 2^2. The
generator starts there with the most channels and doubles the side as it halves the channels; the
discriminator goes the other way. At 32x32 and width 64 this is 100-256-128-64-3 and 3-64-128-256-1.
"""

import flax.linen as nn
import jax

from jaxgan.choices import choose
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, ConvTranspose
from jaxgan.networks.minibatch import MINIBATCH
from jaxgan.networks.parts import NORMS, Code, LabelMap, LabelVector

MAX_SIDE = 128
DCGAN_INIT = nn.initializers.normal(0.02)


def levels(image_shape: tuple[int, int, int]) -> int:
    """How many times the side is halved.

    Raises:
      ValueError: the shape is not square, or its side is no multiple of 4 up to 128.
    """
    height, width, _ = image_shape
    if height != width or height % 4 or not 0 < height <= MAX_SIDE:
        raise ValueError(
            f"dcgan makes square images with a side that is a multiple of 4, up to {MAX_SIDE}; "
            f"got {height}x{width} (set data.resolution)"
        )
    halvings, side = 2, height // 4
    while side % 2 == 0 and side >= 8:
        halvings, side = halvings + 1, side // 2
    return halvings


def _downwards(x: jax.Array, network: "Discriminator | Encoder", *, train: bool) -> jax.Array:
    """Images through the convolutions of `network`, which they belong to, flattened: [B, F]."""
    norm = choose("norm", NORMS, network.norm)
    for level in range(levels(network.image_shape)):
        normed = level > 0 and network.norm != "none"  # the first sees the pixels as they are
        x = Conv(
            network.width << level,
            (4, 4),
            strides=(2, 2),
            use_bias=not (normed and network.norm == "batch"),
            kernel_init=DCGAN_INIT,
        )(x)
        x = norm()(x, train=train) if normed else x
        x = nn.leaky_relu(x, negative_slope=0.2)
    return x.reshape(x.shape[0], -1)


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` is the number of channels before the last layer."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 100
    prior: str = "normal"
    width: int = 64
    norm: str = "batch"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        halvings = levels(self.image_shape)
        side = self.image_shape[0] >> halvings
        # A bias before batch norm has no gradient but noise, which Adam turns into real updates.
        use_bias = self.norm != "batch"
        channels = self.width << (halvings - 1)
        x = LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = nn.Dense(side * side * channels, use_bias=use_bias, kernel_init=DCGAN_INIT)(x)
        x = nn.relu(norm()(x.reshape(-1, side, side, channels), train=train))
        for _ in range(halvings - 1):
            channels //= 2
            x = ConvTranspose(
                channels, (4, 4), strides=(2, 2), use_bias=use_bias, kernel_init=DCGAN_INIT
            )(x)
            x = nn.relu(norm()(x, train=train))
        x = ConvTranspose(self.image_shape[-1], (4, 4), strides=(2, 2), kernel_init=DCGAN_INIT)(x)
        return nn.tanh(x)


class Discriminator(nn.Module):
    """Images to logits; `width` is the number of channels after the first layer.

    minibatch: of MINIBATCH, before the last layer.
    conditioning: of heads.HEADS, with `embed_dim` for those that have an embedding.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    norm: str = "none"
    minibatch: str = "none"
    conditioning: str = "concat"
    embed_dim: int = 512

    @property
    def mixes_examples(self) -> bool:
        return self.norm == "batch" or self.minibatch != "none"

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = LabelMap(takes_label_as_input(self))(images, labels)
        x = _downwards(x, self, train=train)
        self.sow("intermediates", "features", x)
        x = choose("minibatch layer", MINIBATCH, self.minibatch)()(x)
        return judged(self, x, labels, kernel_init=DCGAN_INIT)


class Encoder(nn.Module):
    """Images to latents, through the discriminator's convolutions."""

    image_shape: tuple[int, int, int]
    latent_dim: int
    num_classes: int = 0
    width: int = 64
    norm: str = "batch"
    stochastic: bool = True

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = _downwards(LabelMap(self.num_classes)(images, labels), self, train=train)
        return Code(self.latent_dim, self.stochastic, DCGAN_INIT)(x, train=train)
