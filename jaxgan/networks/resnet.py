"""Residual networks in the form of SNGAN (Miyato et al. 2018, appendix B) and WGAN-GP, and SAGAN.

Where the sides are halved up to three times all blocks have the same width, and the discriminator
ends in two blocks that keep the side. Above, as published for 128 pixels, channels double as the
side halves, up to 16 times, and one block keeps it. (At 64 the discriminator's last block has 8
times the width where the authors' has 16.) The sides are halved as `parts.halvings` says:
28 = 7 * 2^2, 32 = 4 * 2^3; images need not be square.

SAGAN (Zhang et al. 2019) is `attention` in both networks and `spectral_norm` in the generator too.
The conditional SNGAN (Miyato & Koyama 2018) is conditioning="batch_norm" against "projection".

Upsampling and the convolution after it are one operation, and so are a convolution and the pooling
after it; pooling comes before a 1x1 convolution, with which it commutes, and upsampling after it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.attention import SelfAttention, check_reached
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import (
    Conv,
    ConvDownsample,
    Dense,
    UpsampleConv,
    downsample,
    upsample,
)
from jaxgan.networks.parts import (
    GEN_CONDITIONING,
    NORMS,
    ConditionalBatchNorm,
    LabelMap,
    LabelVector,
    halvings,
    kernel_inits,
)

MOST = 16  # times the width, at the smallest side
POOLS = {"sum": jnp.sum, "mean": jnp.mean}


class BlockUp(nn.Module):
    """Doubles the sides: [B, H, W, I] -> [B, 2 H, 2 W, features].

    num_classes: of the labels that set the scales and biases of batch norm; 0: they do not.
    """

    features: int
    norm: str
    num_classes: int
    spectral_norm: bool
    kernel_init: str

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None, *, train: bool) -> jax.Array:
        def norm(x: jax.Array) -> jax.Array:
            if self.num_classes:
                return ConditionalBatchNorm(self.num_classes)(x, labels, train=train)
            return choose("norm", NORMS, self.norm)()(x, train=train)

        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        h = UpsampleConv(self.features, kernel_init=inner, **spectral)(nn.relu(norm(x)))
        h = Conv(self.features, (3, 3), kernel_init=inner, **spectral)(nn.relu(norm(h)))
        return h + upsample(Conv(self.features, (1, 1), kernel_init=outer, **spectral)(x))


class Block(nn.Module):
    """A block of the discriminator: [B, H, W, I] -> [B, H', W', features], halved or not.

    first: x is an image, to which no ReLU is applied.
    widen_first: the first convolution changes the number of channels, not the second.
    """

    features: int
    halve: bool
    spectral_norm: bool
    kernel_init: str
    first: bool = False
    widen_first: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        last = ConvDownsample if self.halve else Conv
        # SNGAN's authors widen at the second convolution; the first block has one width throughout.
        middle = self.features if self.first or self.widen_first else x.shape[-1]
        h = x if self.first else nn.relu(x)
        h = Conv(middle, (3, 3), kernel_init=inner, **spectral)(h)
        h = last(self.features, kernel_size=(3, 3), kernel_init=inner, **spectral)(nn.relu(h))
        x = downsample(x) if self.halve else x
        if self.halve or x.shape[-1] != self.features:
            x = Conv(self.features, (1, 1), kernel_init=outer, **spectral)(x)
        return h + x


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` is the number of channels at full resolution.

    conditioning: "concat" (a vector of the label beside the latents) or "batch_norm".
    attention: shorter sides after whose block self-attention stands.
    kernel_init: of INITS.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 128
    prior: str = "normal"
    width: int = 256
    norm: str = "batch"
    conditioning: str = "concat"
    attention: tuple[int, ...] = ()
    spectral_norm: bool = False
    kernel_init: str = "glorot"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        by_norm = choose("conditioning (gen.conditioning)", GEN_CONDITIONING, self.conditioning)
        if by_norm and self.norm != "batch":
            raise ValueError(
                f"gen.conditioning='batch_norm' needs gen.norm='batch'; got {self.norm!r}"
            )
        _, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        ups = halvings(self.image_shape, "resnet")
        grows = ups > 3
        widths = [min(self.width << n * grows, self.width * MOST) for n in reversed(range(ups + 1))]
        height, width = (side >> ups for side in self.image_shape[:2])
        sides = [min(height, width) << n for n in range(1, ups + 1)]
        check_reached(self.attention, sides)

        x = latents if by_norm else LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = Dense(height * width * widths[0], kernel_init=outer, **spectral)(x)
        x = x.reshape(-1, height, width, widths[0])
        classes = self.num_classes if by_norm else 0
        for side, features in zip(sides, widths[1:], strict=True):
            x = BlockUp(features, self.norm, classes, **spectral, kernel_init=self.kernel_init)(
                x, labels, train=train
            )
            if side in self.attention:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = nn.relu(choose("norm", NORMS, self.norm)()(x, train=train))
        x = Conv(self.image_shape[-1], (3, 3), kernel_init=outer, **spectral)(x)
        return nn.tanh(x)


class Discriminator(nn.Module):
    """Images to logits; `width` is the number of channels after the first block.

    conditioning: of heads.HEADS, with `embed_dim` for those that have an embedding.
    attention: shorter sides after whose first block self-attention stands.
    kernel_init: of INITS.
    pool: of POOLS, what becomes of the last maps: their sum (SNGAN), or their mean (WGAN-GP).
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    spectral_norm: bool = True
    conditioning: str = "concat"
    embed_dim: int = 512
    attention: tuple[int, ...] = ()
    kernel_init: str = "glorot"
    pool: str = "sum"

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        _, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        downs = halvings(self.image_shape, "resnet")
        if downs > 3:
            widths = [min(self.width << n, self.width * MOST) for n in range(downs)]
            widths.append(widths[-1])
        else:
            downs, widths = 2, [self.width] * 4
        sides = [min(self.image_shape[:2]) >> min(n, downs) for n in range(1, len(widths) + 1)]
        check_reached(self.attention, sides)

        x = LabelMap(takes_label_as_input(self))(images, labels)
        for level, features in enumerate(widths):
            x = Block(
                features, level < downs, **spectral, kernel_init=self.kernel_init, first=level == 0
            )(x)
            if sides[level] in self.attention and sides[level] not in sides[:level]:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = choose("pool (disc.pool)", POOLS, self.pool)(nn.relu(x), axis=(1, 2))
        self.sow("intermediates", "features", x)
        return judged(self, x, labels, kernel_init=outer, **spectral)
