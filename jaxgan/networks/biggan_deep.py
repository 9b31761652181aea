"""BigGAN-deep (Brock et al. 2019, appendix B, tables 8 and 9): bottleneck blocks, two to a side.

A block narrows its input to a quarter of the channels by a 1x1 convolution, plays two 3x3 ones
there and widens again. Where the number of channels changes, the way around drops the last of them
(generator) or adds what a 1x1 convolution makes (discriminator), and is learned in nothing else.
All blocks of the generator are told the same: all latents beside the class embedding.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.attention import SelfAttention, check_reached
from jaxgan.networks.biggan import beside, class_vector, disc_widths, gen_widths, norm_of
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, Dense, UpsampleConv, downsample, upsample
from jaxgan.networks.parts import GEN_CONDITIONING, BatchNorm, LabelMap, halvings, kernel_inits

NARROWER = 4  # times, in the middle of a block


class BlockUp(nn.Module):
    """[B, H, W, I] -> [B, H', W', features] with features <= I; doubles the sides or keeps them."""

    features: int
    double: bool
    spectral_norm: bool
    kernel_init: str

    @nn.compact
    def __call__(self, x: jax.Array, vector: jax.Array | None, *, train: bool) -> jax.Array:
        norm = norm_of(vector, self)
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        middle = max(x.shape[-1] // NARROWER, 1)
        second = UpsampleConv if self.double else Conv
        active = lambda h: nn.relu(norm(h, train=train))
        h = Conv(middle, (1, 1), kernel_init=outer, **spectral)(active(x))
        h = second(middle, kernel_size=(3, 3), kernel_init=inner, **spectral)(active(h))
        h = Conv(middle, (3, 3), kernel_init=inner, **spectral)(active(h))
        h = Conv(self.features, (1, 1), kernel_init=outer, **spectral)(active(h))
        x = x[..., : self.features]
        return h + (upsample(x) if self.double else x)


class BlockDown(nn.Module):
    """[B, H, W, I] -> [B, H', W', features] with features >= I; halves the sides or keeps them."""

    features: int
    halve: bool
    spectral_norm: bool
    kernel_init: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        middle = max(self.features // NARROWER, 1)
        shrink = downsample if self.halve else lambda h: h
        h = Conv(middle, (1, 1), kernel_init=outer, **spectral)(nn.relu(x))
        h = Conv(middle, (3, 3), kernel_init=inner, **spectral)(nn.relu(h))
        h = Conv(middle, (3, 3), kernel_init=inner, **spectral)(nn.relu(h))
        h = Conv(self.features, (1, 1), kernel_init=outer, **spectral)(shrink(nn.relu(h)))
        x = shrink(x)
        if more := self.features - x.shape[-1]:
            x = jnp.concatenate([x, Conv(more, (1, 1), kernel_init=outer, **spectral)(x)], axis=-1)
        return h + x


class Generator(nn.Module):
    """Latents to images in [-1, 1]; widths as in biggan.py, with the fields of its generator.

    blocks: at each side, of which the last doubles it.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 128
    prior: str = "normal"
    width: int = 128
    blocks: int = 2
    shared_dim: int = 128
    conditioning: str = "batch_norm"
    attention: tuple[int, ...] = ()
    spectral_norm: bool = True
    kernel_init: str = "orthogonal"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        by_norm = choose("conditioning (gen.conditioning)", GEN_CONDITIONING, self.conditioning)
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        ups = halvings(self.image_shape, "biggan_deep")
        widths = [self.width * times for times in gen_widths(ups)]
        height, width = (side >> ups for side in self.image_shape[:2])
        sides = [min(height, width) << n for n in range(1, ups + 1)]
        check_reached(self.attention, sides)

        first = beside([latents, *class_vector(self, labels)])
        told = first if by_norm else latents
        x = Dense(height * width * widths[0], kernel_init=outer, **spectral)(first)
        x = x.reshape(-1, height, width, widths[0])
        block = {**spectral, "kernel_init": self.kernel_init}
        for side, features in zip(sides, widths[1:], strict=True):
            for _ in range(self.blocks - 1):
                x = BlockUp(x.shape[-1], False, **block)(x, told, train=train)
            x = BlockUp(features, True, **block)(x, told, train=train)
            if side in self.attention:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = nn.relu(BatchNorm()(x, train=train))
        return nn.tanh(Conv(self.image_shape[-1], (3, 3), kernel_init=inner, **spectral)(x))


class Discriminator(nn.Module):
    """Images to logits, with the fields of biggan's discriminator.

    blocks: at each side, of which the first halves it. As there, 32x32 is halved twice and ends in
      blocks that keep the side; above, all halvings are played.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 128
    blocks: int = 2
    conditioning: str = "projection"
    embed_dim: int = 512
    attention: tuple[int, ...] = ()
    spectral_norm: bool = True
    kernel_init: str = "orthogonal"

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        downs = halvings(self.image_shape, "biggan_deep")
        first, *widths = [self.width * times for times in disc_widths(downs)]
        downs = downs if downs > 3 else 2
        sides = [min(self.image_shape[:2]) >> min(n, downs) for n in range(1, len(widths) + 1)]
        check_reached(self.attention, sides)

        x = LabelMap(takes_label_as_input(self))(images, labels)
        x = Conv(first, (3, 3), kernel_init=inner, **spectral)(x)
        block = {**spectral, "kernel_init": self.kernel_init}
        for level, features in enumerate(widths):
            x = BlockDown(features, level < downs, **block)(x)
            for _ in range(self.blocks - 1):
                x = BlockDown(features, False, **block)(x)
            if sides[level] in self.attention and sides[level] not in sides[:level]:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = jnp.sum(nn.relu(x), axis=(1, 2))
        self.sow("intermediates", "features", x)
        return judged(self, x, labels, kernel_init=outer, **spectral)
