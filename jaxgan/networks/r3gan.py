"""R3GAN (Huang et al. 2024, sec. 4): two plain residual networks without normalization.

Generator and discriminator mirror each other. Each side has a stage of residual blocks,

    x + W3 a(W2 a(W1 x)),    a(h) = leaky_relu(h + b, 0.2)

with 1x1 convolutions W1, which widens by `expansion`, and W3, which narrows again, and a grouped
3x3 one W2; only the activations have biases. Begun as Fix-up says (Zhang et al. 2019): W3 at 0, so
that a fresh block is the identity, and W1 and W2 as He et al. 2015 with L^(-1/4) of the deviation,
L the number of blocks. Between stages sides are resampled, with a 1x1 convolution where the width
changes: by [1, 3, 3, 1] / 8 with zeros beyond the edge both ways, as the authors' program does
(binomial), or as the paper's words may be read too (bilinear: interpolation, and the mean of 2x2
pixels), which networks of a few channels learn faster with (experiments/image_gans). The generator
begins with a learned basis of the smallest side, of which latents (and a class embedding) are the
coefficients; the discriminator ends with the like, a depthwise convolution over all of that side
and a linear map.

With the four stages of 768 channels and two blocks for CIFAR-10 the generator has 20.78 million
parameters (20.73 without classes). The authors' networks for larger images narrow towards full
resolution: widths=(768, 768, 768, 768, 512, 256, 128) for 256x256.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks import resample
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, Dense, Embed, downsample
from jaxgan.networks.param import param
from jaxgan.networks.parts import OUTPUTS, LabelMap, halvings

SLOPE = 0.2
# He et al. 2015, eq. 15: keeps the power of a signal that passed a leaky ReLU of this slope.
GAIN = (2 / (1 + SLOPE**2)) ** 0.5
# Of the layers outside of blocks.
LINEAR_INIT = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


def stages(network: nn.Module) -> tuple[list[int], list[int]]:
    """Widths and numbers of blocks of each stage, from the smallest side up.

    `widths` and `blocks` name the first, and their last value goes on.
    """
    count = halvings(network.image_shape, "r3gan") + 1
    repeated = lambda values: [values[min(n, len(values) - 1)] for n in range(count)]
    if not network.widths or not network.blocks:
        raise ValueError("r3gan needs widths and blocks, of at least the smallest stage")
    return repeated(network.widths), repeated(network.blocks)


def bilinear_up(x: jax.Array) -> jax.Array:
    """Bilinear upsampling by 2, of pixel centres: [B, H, W, C] -> [B, 2 H, 2 W, C].

    A pixel between two others is 3/4 of the nearer and 1/4 of the farther; at the edge the nearer
    alone. The mean of every 2x2 pixels is bilinear interpolation the other way.
    """
    for axis in (1, 2):
        ends = [(0, 0)] * 4
        ends[axis] = (1, 1)
        padded = jnp.pad(x, ends, mode="edge")
        size = x.shape[axis]
        before = jax.lax.slice_in_dim(padded, 0, size, axis=axis)
        after = jax.lax.slice_in_dim(padded, 2, size + 2, axis=axis)
        pairs = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = pairs.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    return x


# Both ways.
RESAMPLES = {
    "binomial": (resample.upsample, resample.downsample),
    "bilinear": (bilinear_up, downsample),
}


class BiasedLeakyReLU(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        bias = param(self, "bias", nn.initializers.zeros_init(), (x.shape[-1],))
        return nn.leaky_relu(x + bias.astype(x.dtype), negative_slope=SLOPE)


class Block(nn.Module):
    """[B, H, W, C] -> the same; the identity at first.

    total: residual blocks in the network.

    Raises:
      ValueError: `group_size` does not divide the widened channels.
    """

    expansion: int
    group_size: int
    total: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        inner = channels * self.expansion
        if inner % self.group_size:
            raise ValueError(
                f"group_size={self.group_size} must divide the {inner} channels inside the blocks "
                f"of a stage of width {channels} (widths, expansion)"
            )
        # L^(-1 / (2 m - 2)) for the first two of m = 3 layers.
        scale = (GAIN * self.total**-0.25) ** 2
        init = nn.initializers.variance_scaling(scale, "fan_in", "normal")
        h = Conv(inner, (1, 1), use_bias=False, kernel_init=init)(x)
        h = BiasedLeakyReLU()(h)
        groups = inner // self.group_size
        h = Conv(inner, (3, 3), feature_group_count=groups, use_bias=False, kernel_init=init)(h)
        h = BiasedLeakyReLU()(h)
        zero = nn.initializers.zeros_init()
        return x + Conv(channels, (1, 1), use_bias=False, kernel_init=zero)(h)


def _linear(features: int) -> Conv:
    return Conv(features, (1, 1), use_bias=False, kernel_init=LINEAR_INIT)


class Generator(nn.Module):
    """Latents to images, in [-1, 1] where `output` is tanh; the paper's is linear.

    widths, blocks: of the stages from the smallest side up; the last goes on to all others.
    expansion, group_size: of a block's grouped convolution (768 channels, 2 and 16: 96 groups).
    embed_dim: of the class embedding beside the latents.
    resample: of RESAMPLES.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 64
    prior: str = "normal"
    widths: tuple[int, ...] = (768,)
    blocks: tuple[int, ...] = (2,)
    expansion: int = 2
    group_size: int = 16
    embed_dim: int = 64
    output: str = "tanh"
    resample: str = "binomial"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        output = choose("output", OUTPUTS, self.output)
        up, _ = choose("resampling (gen.resample)", RESAMPLES, self.resample)
        widths, blocks = stages(self)
        z = latents
        if self.num_classes:
            embed = Embed(self.num_classes, self.embed_dim, embedding_init=LINEAR_INIT)
            z = jnp.concatenate([z, embed(labels)], axis=-1)
        height, width = (side >> (len(widths) - 1) for side in self.image_shape[:2])
        basis = param(self, "basis", nn.initializers.normal(1.0), (height, width, widths[0]))
        z = Dense(widths[0], use_bias=False, kernel_init=LINEAR_INIT)(z)
        x = basis.astype(z.dtype) * z[:, None, None]
        for stage, (features, count) in enumerate(zip(widths, blocks, strict=True)):
            if stage:
                x = _linear(features)(x) if x.shape[-1] != features else x
                x = up(x)
            for _ in range(count):
                x = Block(self.expansion, self.group_size, sum(blocks))(x)
        return output(_linear(self.image_shape[-1])(x))


class Discriminator(nn.Module):
    """Images to logits; the stages as in the generator, the other way.

    conditioning: of heads.HEADS; "product", the inner product of mapped features with the class
      embedding, both of size `embed_dim`, is the paper's.
    resample: of RESAMPLES.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    widths: tuple[int, ...] = (768,)
    blocks: tuple[int, ...] = (2,)
    expansion: int = 2
    group_size: int = 16
    conditioning: str = "product"
    embed_dim: int = 64
    resample: str = "binomial"

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        widths, blocks = stages(self)
        _, down = choose("resampling (disc.resample)", RESAMPLES, self.resample)
        x = LabelMap(takes_label_as_input(self))(images, labels)
        x = _linear(widths[-1])(x)
        for stage in reversed(range(len(widths))):
            for _ in range(blocks[stage]):
                x = Block(self.expansion, self.group_size, sum(blocks))(x)
            if stage:
                x = down(x)
                features = widths[stage - 1]
                x = _linear(features)(x) if x.shape[-1] != features else x
        # Every position and channel has a weight of its own, of deviation 1 / sqrt(positions).
        init = nn.initializers.normal((x.shape[1] * x.shape[2]) ** -0.5)
        basis = param(self, "basis", init, x.shape[1:])
        x = jnp.sum(x * basis.astype(x.dtype), axis=(1, 2))
        self.sow("intermediates", "features", x)
        return judged(self, x, labels, kernel_init=LINEAR_INIT, use_bias=False)
