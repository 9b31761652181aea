"""BigGAN (Brock et al. 2019, appendix B, tables 3 to 7), for sides that are multiples of 4.

Every block of the generator is told the class and a part of the latents: they are cut into a chunk
for the first layer and one for each block, whose batch norms get scale and bias from the chunk and
an embedding of the class that all blocks share. Both networks are spectrally normalized, batch
norm's projections too, and begin orthogonal. The discriminator is a projection discriminator.

Channels, times `width`, from the smallest side up (the smallest is 4 at a power of two):

    side    generator                 discriminator
    16      4 4 4                     4 4 4 4
    32      4 4 4 4                   4 4 4 4
    64      16 16 8 4 2               16 8 4 2 1
    128     16 16 8 4 2 1             16 16 8 4 2 1
    256     16 16 8 8 4 2 1           16 16 8 8 4 2 1
    512     16 16 8 8 4 2 1 1         16 16 8 8 4 2 1 1
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.attention import SelfAttention, check_reached
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, Dense, Embed, UpsampleConv, upsample
from jaxgan.networks.parts import (
    GEN_CONDITIONING,
    BatchNorm,
    LabelMap,
    ProjectedBatchNorm,
    halvings,
    kernel_inits,
)
from jaxgan.networks.resnet import Block


def gen_widths(ups: int) -> tuple[int, ...]:
    """Channels over `width`, from the first layer on: one more than blocks."""
    if ups <= 3:
        return (4,) * (ups + 1)
    if ups <= 5:
        return (16, 16, 8, 4, 2, 1)[: ups + 1]
    return (16, 16, 8, 8, 4, 2, 1, *(1,) * (ups - 6))


def disc_widths(downs: int) -> tuple[int, ...]:
    """Channels over `width` of each block's result, from the largest side on.

    The first two blocks of four halve the side up to 32x32; above, all do but the last. (For
    BigGAN-deep: of the first convolution, and after each side.)
    """
    if downs <= 3:
        return (4,) * 4
    if downs <= 5:
        return (1, 2, 4, 8, 16, 16)[: downs + 1]
    return (*(1,) * (downs - 6), 1, 2, 4, 8, 8, 16, 16)


def norm_of(vector: jax.Array | None, network: nn.Module):
    """`(x, train) -> x`: batch norm by `vector` [B, E], where there is one."""

    def norm(x: jax.Array, *, train: bool) -> jax.Array:
        if vector is None:
            return BatchNorm()(x, train=train)
        _, outer = kernel_inits(network.kernel_init)
        return ProjectedBatchNorm(network.spectral_norm, outer)(x, vector, train=train)

    return norm


class BlockUp(nn.Module):
    """Doubles the sides: [B, H, W, I] -> [B, 2 H, 2 W, features]."""

    features: int
    spectral_norm: bool
    kernel_init: str

    @nn.compact
    def __call__(self, x: jax.Array, vector: jax.Array | None, *, train: bool) -> jax.Array:
        norm = norm_of(vector, self)
        inner, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        h = nn.relu(norm(x, train=train))
        h = UpsampleConv(self.features, kernel_init=inner, **spectral)(h)
        h = nn.relu(norm(h, train=train))
        h = Conv(self.features, (3, 3), kernel_init=inner, **spectral)(h)
        return h + upsample(Conv(self.features, (1, 1), kernel_init=outer, **spectral)(x))


def class_vector(gen: nn.Module, labels: jax.Array | None) -> list[jax.Array]:
    """The class embedding that the blocks of `gen` share, [B, shared_dim]; none without classes."""
    if not gen.num_classes:
        return []
    _, outer = kernel_inits(gen.kernel_init)
    embed = Embed(gen.num_classes, gen.shared_dim, embedding_init=outer, name="classes")
    return [embed(labels)]


def beside(vectors: list[jax.Array]) -> jax.Array | None:
    return jnp.concatenate(vectors, axis=-1) if vectors else None


class Generator(nn.Module):
    """Latents to images in [-1, 1].

    width: channels at the full resolution of 128x128; at 32x32 there are 4 times as many.
    shared_dim: size of the class embedding.
    hierarchical: the latents are cut in chunks; otherwise the first layer has all of them.
    conditioning: "batch_norm", or "concat": the embedding goes to the first layer alone.
    attention: shorter sides after whose block self-attention stands.
    kernel_init: of INITS.

    Raises:
      ValueError: fewer latents than chunks.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 120
    prior: str = "normal"
    width: int = 96
    shared_dim: int = 128
    hierarchical: bool = True
    conditioning: str = "batch_norm"
    attention: tuple[int, ...] = ()
    spectral_norm: bool = True
    kernel_init: str = "orthogonal"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        by_norm = choose("conditioning (gen.conditioning)", GEN_CONDITIONING, self.conditioning)
        _, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        ups = halvings(self.image_shape, "biggan")
        widths = [self.width * times for times in gen_widths(ups)]
        height, width = (side >> ups for side in self.image_shape[:2])
        sides = [min(height, width) << n for n in range(1, ups + 1)]
        check_reached(self.attention, sides)

        first, *chunks = self._chunks(latents, ups + 1)  # of a block: a list of one or none
        vector = class_vector(self, labels)
        x = beside([first] if by_norm else [first, *vector])
        x = Dense(height * width * widths[0], kernel_init=outer, **spectral)(x)
        x = x.reshape(-1, height, width, widths[0])
        for side, features, chunk in zip(sides, widths[1:], chunks, strict=True):
            told = beside([*vector, *chunk] if by_norm else chunk)
            x = BlockUp(features, **spectral, kernel_init=self.kernel_init)(x, told, train=train)
            if side in self.attention:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = nn.relu(BatchNorm()(x, train=train))
        inner, _ = kernel_inits(self.kernel_init)
        return nn.tanh(Conv(self.image_shape[-1], (3, 3), kernel_init=inner, **spectral)(x))

    def _chunks(self, latents: jax.Array, count: int) -> list:
        """The first layer's latents [B, D'], and a list of one chunk, or none, for each block.

        As equal as they can be; where `latent_dim` is no multiple of `count`, the first are longer.
        """
        if not self.hierarchical:
            return [latents, *[[]] * (count - 1)]
        if self.latent_dim < count:
            raise ValueError(
                f"gen.latent_dim={self.latent_dim} latents cannot be cut into {count} chunks; "
                f"use at least {count}, or gen.hierarchical=False"
            )
        first, *rest = jnp.array_split(latents, count, axis=-1)
        return [first, *([chunk] for chunk in rest)]


class Discriminator(nn.Module):
    """Images to logits.

    width: channels after the first block at 128x128; at 32x32 there are 4 times as many.
    conditioning: of heads.HEADS, with `embed_dim` for those that have an embedding.
    attention: shorter sides after whose first block self-attention stands.
    kernel_init: of INITS.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 96
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
        _, outer = kernel_inits(self.kernel_init)
        spectral = {"spectral_norm": self.spectral_norm}
        downs = halvings(self.image_shape, "biggan")
        widths = [self.width * times for times in disc_widths(downs)]
        downs = downs if downs > 3 else 2
        sides = [min(self.image_shape[:2]) >> min(n, downs) for n in range(1, len(widths) + 1)]
        check_reached(self.attention, sides)

        x = LabelMap(takes_label_as_input(self))(images, labels)
        block = {**spectral, "kernel_init": self.kernel_init, "widen_first": True}
        for level, features in enumerate(widths):
            x = Block(features, level < downs, first=level == 0, **block)(x)
            if sides[level] in self.attention and sides[level] not in sides[:level]:
                x = SelfAttention(**spectral, kernel_init=outer)(x)
        x = jnp.sum(nn.relu(x), axis=(1, 2))
        self.sow("intermediates", "features", x)
        return judged(self, x, labels, kernel_init=outer, **spectral)
