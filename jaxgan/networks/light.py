"""Light networks for few images, after FastGAN (Liu et al. 2021, sec. 3).

The generator grows from the smallest side by blocks of nearest upsampling, a 3x3 convolution, a
norm and a gated linear unit, every other block with a second convolution. A skip-layer excitation
lets features of a small side gate the channels of those four levels up (eq. 1):

    y = sigmoid(W2 leaky_relu(W1 pool4x4(x_low), 0.1)) x_high

with W1 a 4x4 convolution without padding and W2 a 1x1 one; in networks of less than four levels it
spans all of them. The discriminator goes down by residual blocks of two branches,

    (a(N(conv3x3(a(N(conv4x4, stride 2(x))))))  +  a(N(conv1x1(pool(x))))) / 2,   a: leaky ReLU 0.2

In training it also tries to draw what it sees from its features, the whole from those of the
smallest side and a random quarter from those of twice that side, by small decoders of blocks like
the generator's. The term `reconstruction` compares them (eq. 4 has a perceptual distance there).

What the paper has and this has not: a second, small output of the generator with a discriminator
of its own, noise between layers, and a logit for each of 5x5 places (here one an image).
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.heads import judged, takes_label_as_input
from jaxgan.networks.layers import Conv, Dense, UpsampleConv, downsample
from jaxgan.networks.parts import NORMS, LabelMap, LabelVector, halvings

INIT = nn.initializers.normal(0.02)
SPAN = 4  # levels between the two ends of an excitation
# Channels in units of `width`, from the smallest side up: 4, 8, ..., 1024.
WIDTHS = (16, 8, 4, 2, 2, 1, 0.5, 0.25, 0.125)
DECODED = 5  # a decoder doubles its side at most so often: 4 to 128, as in the paper


def widths(width: int, levels: int) -> list[int]:
    """Channels of each level, from the smallest side up."""
    return [max(1, int(WIDTHS[min(n, len(WIDTHS) - 1)] * width)) for n in range(levels + 1)]


def glu(x: jax.Array) -> jax.Array:
    """Gated linear unit (Dauphin et al. 2017): the first half of the channels, gated by the other.

    [..., 2 C] -> [..., C].
    """
    values, gates = jnp.split(x, 2, axis=-1)
    return values * nn.sigmoid(gates)


def leaky(x: jax.Array) -> jax.Array:
    return nn.leaky_relu(x, negative_slope=0.2)


class UpBlock(nn.Module):
    """[B, H, W, C] -> [B, 2 H, 2 W, features]; `twice` for a second convolution."""

    features: int
    norm: str
    twice: bool = False
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        options = {
            "use_bias": self.norm != "batch",
            "kernel_init": INIT,
            "spectral_norm": self.spectral_norm,
        }
        x = UpsampleConv(2 * self.features, **options)(x)
        x = glu(norm()(x, train=train))
        if self.twice:
            x = Conv(2 * self.features, (3, 3), **options)(x)
            x = glu(norm()(x, train=train))
        return x


class Excitation(nn.Module):
    """`high` [B, H, W, C] with its channels gated by `low` [B, h, w, c]: eq. 1."""

    spectral_norm: bool = False

    @nn.compact
    def __call__(self, low: jax.Array, high: jax.Array) -> jax.Array:
        conv = partial(
            Conv, high.shape[-1], use_bias=False, kernel_init=INIT, spectral_norm=self.spectral_norm
        )
        pooled = pool_to_4x4(low)
        gates = conv(pooled.shape[1:3], padding="VALID")(pooled)
        gates = conv((1, 1))(nn.leaky_relu(gates, negative_slope=0.1))
        return high * nn.sigmoid(gates)


def pool_to_4x4(x: jax.Array) -> jax.Array:
    """Means over a grid of 4x4 equal parts, or of as many as divide a side: [B, h, w, C]."""
    batch, *sides, channels = x.shape
    (rows, columns) = (next(n for n in (4, 3, 2, 1) if side % n == 0) for side in sides)
    parts = (batch, rows, sides[0] // rows, columns, sides[1] // columns, channels)
    return x.reshape(parts).mean((2, 4))


class Generator(nn.Module):
    """Latents to images in [-1, 1]; `width` channels at 128 pixels, 16 times that at 4."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 256
    prior: str = "normal"
    width: int = 64
    norm: str = "batch"
    spectral_norm: bool = False

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        levels = halvings(self.image_shape, "light")
        channels = widths(self.width, levels)
        height, width = (side >> levels for side in self.image_shape[:2])
        options = {"kernel_init": INIT, "spectral_norm": self.spectral_norm}
        x = LabelVector(self.num_classes, self.latent_dim)(latents, labels)
        x = Dense(height * width * 2 * channels[0], use_bias=self.norm != "batch", **options)(x)
        x = x.reshape(len(latents), height, width, -1)
        x = glu(norm()(x, train=train))
        passed, span = [x], min(SPAN, levels)
        for level in range(1, levels + 1):
            twice = level % 2 == 1
            x = UpBlock(channels[level], self.norm, twice, self.spectral_norm)(x, train=train)
            if level >= span:
                x = Excitation(self.spectral_norm)(passed[level - span], x)
            passed.append(x)
        return nn.tanh(Conv(self.image_shape[-1], (3, 3), **options)(x))


class DownBlock(nn.Module):
    """[B, H, W, C] -> [B, H / 2, W / 2, features]: the mean of a deep and a shallow branch."""

    features: int
    norm: str
    spectral_norm: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        norm = choose("norm", NORMS, self.norm)
        conv = partial(
            Conv,
            self.features,
            use_bias=self.norm != "batch",
            kernel_init=INIT,
            spectral_norm=self.spectral_norm,
        )
        deep = leaky(norm()(conv((4, 4), strides=2, padding=1)(x), train=train))
        deep = leaky(norm()(conv((3, 3))(deep), train=train))
        shallow = leaky(norm()(conv((1, 1))(downsample(x)), train=train))
        return (deep + shallow) / 2


class Decoder(nn.Module):
    """Features [B, h, w, C] to pictures [B, 2^n h, 2^n w, channels] in [-1, 1], n = `doublings`."""

    width: int
    doublings: int
    channels: int
    norm: str

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for features in widths(self.width, self.doublings)[1:]:
            x = UpBlock(max(1, features // 2), self.norm)(x, train=train)
        return nn.tanh(Conv(self.channels, (3, 3), kernel_init=INIT)(x))


class Discriminator(nn.Module):
    """Images to logits; `width` channels at 128 pixels.

    norm, spectral_norm: the paper's program has batch norm and spectral norm; without the first,
      which mixes examples, gradient penalties are possible, and logits compare over batches.
    decode: whether it sows, in training, "reconstructions": pairs of what it drew of its features
      and what it should have drawn, of the whole and of a quarter.
    conditioning: of heads.HEADS, with `embed_dim` for those that have an embedding.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    width: int = 64
    norm: str = "none"
    spectral_norm: bool = True
    decode: bool = True
    conditioning: str = "projection"
    embed_dim: int = 512

    @property
    def mixes_examples(self) -> bool:
        return self.norm == "batch"

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        levels = halvings(self.image_shape, "light")
        channels = widths(self.width, levels)
        x = LabelMap(takes_label_as_input(self))(images, labels)
        options = {"kernel_init": INIT, "spectral_norm": self.spectral_norm}
        x = leaky(Conv(channels[levels - 1], (4, 4), strides=2, padding=1, **options)(x))
        for level in reversed(range(levels - 1)):
            before = x
            x = DownBlock(channels[level], self.norm, self.spectral_norm)(x, train=train)
        if self.decode:
            self._draw(images, before, x, train=train)
        norm = choose("norm", NORMS, self.norm)
        x = Conv(channels[0], (1, 1), use_bias=self.norm != "batch", **options)(x)
        x = leaky(norm()(x, train=train)).reshape(len(images), -1)
        self.sow("intermediates", "features", x)
        return judged(self, x, labels, kernel_init=INIT, spectral_norm=self.spectral_norm)

    def _draw(self, images: jax.Array, before: jax.Array, last: jax.Array, *, train: bool) -> None:
        """Sows pairs. before, last: features of twice the smallest side and of that side."""
        if not train:
            return
        levels = halvings(self.image_shape, "light")
        doublings = min(levels - 1, DECODED)
        decoder = partial(Decoder, self.width, doublings, images.shape[-1], self.norm)
        whole = decoder(name="decoder_of_whole")(last, train=train)
        # One quarter for the batch, as in the authors' program.
        quarter = jax.random.randint(self.make_rng("dropout"), (2,), 0, 2)
        part = decoder(name="decoder_of_part")(_quarter(before, quarter), train=train)
        pairs = (
            (whole, shrunk_to(images, whole.shape)),
            (part, shrunk_to(_quarter(images, quarter), part.shape)),
        )
        self.sow("intermediates", "reconstructions", pairs)


def _quarter(x: jax.Array, which: jax.Array) -> jax.Array:
    """One of the four quarters of pictures [B, H, W, C]; which: its row and column, 0 or 1."""
    batch, height, width, channels = x.shape
    begin = (0, which[0] * (height // 2), which[1] * (width // 2), 0)
    return jax.lax.dynamic_slice(x, begin, (batch, height // 2, width // 2, channels))


def shrunk_to(images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Images with sides that are those of `shape` times a power of 2, halved until they fit."""
    while images.shape[1] > shape[1]:
        images = downsample(images)
    return images
