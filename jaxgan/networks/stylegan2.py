"""StyleGAN2 (Karras et al. 2020) for sides that are multiples of 4, square or not.

A mapping network makes a style w of latents and label; a synthesis network begins with a learned
constant, of 4x4 for powers of two, and doubles its sides up to the image's, each layer scaled by
the style (modulated.py). At each side an image is made, and added to the upsampled one of the side
before: the skip generator. At a (shorter) side s there are min(channel_base / s, channel_max)
channels. With channel_base=32768 this is the authors' network for 1024x1024; 16384 is theirs for
256x256, and at 32x32 gives the 512 channels of their network for CIFAR-10.

The discriminator is in stylegan2_disc.py.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.modulated import StyledConv, ToImage
from jaxgan.networks.param import param
from jaxgan.networks.parts import OUTPUTS, PRIORS, halvings
from jaxgan.networks.resample import upsample
from jaxgan.networks.stylegan2_mapping import Mapping


def sides_of(image_shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Height and width of every level, from the smallest up."""
    count = halvings(image_shape, "stylegan2")
    return [tuple(side >> n for side in image_shape[:2]) for n in reversed(range(count + 1))]


def channels_at(network: nn.Module, sides: tuple[int, int]) -> int:
    return max(1, min(network.channel_base // min(sides), network.channel_max))


class Synthesis(nn.Module):
    """Styles [B, layers, w_dim] to images, as the last layer makes them."""

    image_shape: tuple[int, int, int]
    channel_base: int
    channel_max: int

    @nn.compact
    def __call__(self, styles: jax.Array, *, train: bool) -> jax.Array:
        first, *rest = sides_of(self.image_shape)
        channels = channels_at(self, first)
        constant = param(self, "constant", nn.initializers.normal(1.0), (*first, channels))
        x = jnp.broadcast_to(constant.astype(styles.dtype), (len(styles), *constant.shape))
        x = StyledConv(channels, 0)(x, styles[:, 0], train=train)
        images = ToImage(self.image_shape[-1])(x, styles[:, 1])
        for level, sides in enumerate(rest, start=1):
            channels, at = channels_at(self, sides), 2 * level
            x = StyledConv(channels, at - 1, up=True)(x, styles[:, at - 1], train=train)
            x = StyledConv(channels, at)(x, styles[:, at], train=train)
            # An image has the style of the next level's first layer.
            images = upsample(images) + ToImage(self.image_shape[-1])(x, styles[:, at + 1])
        return images


class Generator(nn.Module):
    """Latents to images, in [-1, 1] where `output` is tanh; the paper's is linear.

    Its halves are to be had alone: `styles` and `synthesize`. Noise is drawn anew in training, and
    otherwise the same in all images. The mean style is the variable
    ["styles"]["mapping"]["mean"], [w_dim].

    mapping_layers, mapping_lr: of the mapping network, and its share of the learning rate.
    style_mixing: the probability with which, in training, an image has the styles of other latents
      from a layer on that is drawn too (Karras et al. 2019, sec. 3.1); for each image by itself.

    Raises:
      ValueError: a probability that is none.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 512
    prior: str = "normal"
    w_dim: int = 512
    mapping_layers: int = 8
    mapping_lr: float = 0.01
    channel_base: int = 16384
    channel_max: int = 512
    style_mixing: float = 0.9
    output: str = "tanh"

    def setup(self):
        if not 0 <= self.style_mixing <= 1:
            raise ValueError(f"gen.style_mixing must be in [0, 1]; got {self.style_mixing}")
        if not self.mapping_lr > 0:
            raise ValueError(f"gen.mapping_lr must be positive; got {self.mapping_lr}")
        self.mapping = Mapping(
            self.num_classes, self.w_dim, self.mapping_layers, lr_multiplier=self.mapping_lr
        )
        self.synthesis = Synthesis(self.image_shape, self.channel_base, self.channel_max)

    @property
    def layers(self) -> int:
        """Styles of an image: a convolution each, and one for the last image."""
        return 2 * len(sides_of(self.image_shape))

    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        if not train or not self.style_mixing:
            return self.synthesize(self.styles(latents, labels, train=train), train=train)
        others, place = self._mixed(latents)
        both = jnp.concatenate([latents, others])
        labels = None if labels is None else jnp.concatenate([labels, labels])
        own, other = jnp.split(self.styles(both, labels, train=train), 2)
        before = jnp.arange(self.layers) < place[:, None]
        return self.synthesize(jnp.where(before[..., None], own, other), train=train)

    def styles(
        self,
        latents: jax.Array,
        labels: jax.Array | None = None,
        *,
        train: bool,
        truncation: jax.Array | float = 1.0,
    ) -> jax.Array:
        """[B, layers, w_dim], the same in all layers; truncated towards their mean."""
        w = self.mapping(latents, labels, train=train, truncation=truncation)
        return jnp.broadcast_to(w[:, None], (len(w), self.layers, self.w_dim))

    def synthesize(self, styles: jax.Array, *, train: bool) -> jax.Array:
        """Images of styles [B, layers, w_dim]."""
        output = choose("output", OUTPUTS, self.output)
        return output(self.synthesis(styles, train=train))

    def _mixed(self, latents: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Other latents, and from which layer on their styles take over; `layers`: from none."""
        keys = jax.random.split(self.make_rng("dropout"), 3)
        prior = choose("prior", PRIORS, self.prior)
        others = prior(keys[0], latents.shape).astype(latents.dtype)
        mixes = jax.random.bernoulli(keys[1], self.style_mixing, (len(latents),))
        place = jax.random.randint(keys[2], (len(latents),), 1, self.layers)
        return others, jnp.where(mixes, place, self.layers)
