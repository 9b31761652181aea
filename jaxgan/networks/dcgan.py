"""DCGAN (Radford et al. 2016), for square images of many sizes.

The side is halved twice, and on until it is less than 8 or odd: 32 = 4 * 2^3, 28 = 7 * 2^2; with
`halvings` so many times, rounded up, as PacGAN's 28-14-7-4-2 (Lin et al. 2018). The generator
starts there with the most channels and doubles the side as it halves the channels; the
discriminator goes the other way. At 32x32 and width 64 this is 100-256-128-64-3 and 3-64-128-256-1.
`kernel` is the side of all kernels: 4 as in most tutorials, 5 as in the paper and in PacGAN's.
"""

import flax.linen as nn
import jax

from jaxgan.choices import choose
from jaxgan.networks import parts
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, ConvTranspose
from jaxgan.networks.minibatch import MINIBATCH, batch_multiple
from jaxgan.networks.parts import NORMS, Code, LabelMap, LabelVector

MAX_SIDE = 128
DCGAN_INIT = nn.initializers.normal(0.02)


def sides(image_shape: tuple[int, int, int], halvings: int = 0) -> list[int]:
    """The sides of an image and of its maps, each half of the one before: 28, 14, 7.

    Args:
      image_shape: (H, W, C).
      halvings: how many; 0: two, and on until the side is less than 8 or odd.

    Raises:
      ValueError: the shape is not square, or its side is greater than 128, no multiple of 4 (where
        `halvings` is 0), or 1 before the last of the halvings.
    """
    height, width, _ = image_shape
    if height != width or not 0 < height <= MAX_SIDE or (height % 4 and not halvings):
        raise ValueError(
            f"dcgan makes square images with a side that is a multiple of 4, up to {MAX_SIDE} (of "
            f"any side up to that with halvings); got {height}x{width} (set data.resolution)"
        )
    if halvings < 0 or height <= 2 ** (halvings - 1):
        raise ValueError(f"a side of {height} cannot be halved {halvings} times (halvings)")
    halvings = halvings or parts.halvings(image_shape, "dcgan")
    return [-(-height // 2**level) for level in range(halvings + 1)]


def _downwards(
    x: jax.Array,
    network: "Discriminator | Encoder",
    *,
    train: bool,
    leak: float = 0.2,
    norm_first: bool = False,
) -> jax.Array:
    """Images through the convolutions of `network`, which they belong to, flattened: [B, F]."""
    norm = choose("norm", NORMS, network.norm)
    for level in range(len(sides(network.image_shape, network.halvings)) - 1):
        normed = (level > 0 or norm_first) and network.norm != "none"
        x = Conv(
            network.width << level,
            (network.kernel, network.kernel),
            strides=(2, 2),
            use_bias=not (normed and network.norm == "batch"),
            kernel_init=DCGAN_INIT,
        )(x)
        x = norm()(x, train=train) if normed else x
        x = nn.leaky_relu(x, negative_slope=leak)
    return x.reshape(x.shape[0], -1)


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` is the number of channels before the last layer.

    last_conv: a convolution that keeps the side makes the image, after a layer that has doubled it;
      without, the doubling layer does.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 100
    prior: str = "normal"
    width: int = 64
    norm: str = "batch"
    halvings: int = 0
    kernel: int = 4
    last_conv: bool = False

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        *outer, side = sides(self.image_shape, self.halvings)
        # A bias before batch norm has no gradient but noise, which Adam turns into real updates.
        use_bias = self.norm != "batch"
        doubled = outer if self.last_conv else outer[1:]  # by a layer with a norm
        channels = self.width << len(doubled)
        window = (self.kernel, self.kernel)
        x = LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = nn.Dense(side * side * channels, use_bias=use_bias, kernel_init=DCGAN_INIT)(x)
        x = nn.relu(norm()(x.reshape(-1, side, side, channels), train=train))
        for side in reversed(doubled):
            channels //= 2
            x = ConvTranspose(
                channels, window, strides=(2, 2), use_bias=use_bias, kernel_init=DCGAN_INIT
            )(x)
            x = nn.relu(norm()(x[:, :side, :side], train=train))
        if self.last_conv:
            return nn.tanh(Conv(self.image_shape[-1], window, kernel_init=DCGAN_INIT)(x))
        x = ConvTranspose(self.image_shape[-1], window, strides=(2, 2), kernel_init=DCGAN_INIT)(x)
        return nn.tanh(x[:, : outer[0], : outer[0]])


class Discriminator(nn.Module):
    """Images to logits; `width` is the number of channels after the first layer.

    norm_first: the first layer is normed too; without, it sees the pixels as they are. With batch
      norm the contrast of a batch is then out of sight, and fakes may stay grey.
    leak: the slope below 0.
    minibatch: of MINIBATCH, before the last layer.
    conditioning: of heads.HEADS, with `embed_dim` for those that have an embedding.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    norm: str = "none"
    halvings: int = 0
    kernel: int = 4
    norm_first: bool = False
    leak: float = 0.2
    minibatch: str = "none"
    conditioning: str = "concat"
    embed_dim: int = 512

    @property
    def mixes_examples(self) -> bool:
        return self.norm == "batch" or self.minibatch != "none"

    @property
    def batch_multiple(self) -> int:
        return batch_multiple(self.minibatch)

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = LabelMap(takes_label_as_input(self))(images, labels)
        x = _downwards(x, self, train=train, leak=self.leak, norm_first=self.norm_first)
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
    halvings: int = 0
    kernel: int = 4
    stochastic: bool = True

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = _downwards(LabelMap(self.num_classes)(images, labels), self, train=train)
        return Code(self.latent_dim, self.stochastic, DCGAN_INIT)(x, train=train)
