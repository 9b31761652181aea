"""StyleGAN2's discriminators (Karras et al. 2020, sec. 4.1, fig. 7): residual, skip, original.

All halve the sides by two 3x3 convolutions a level, the second of which follows a binomial filter,
down to the smallest level, where the minibatch standard deviation joins the channels. `resnet` adds
to each level's result a 1x1 convolution of its filtered input, the sum over sqrt(2). `skip` gives
every level the downsampled image too. `orig` has neither.

Class-conditional, the logit is an inner product with the label, mapped by a network as the
generator's (Karras et al. 2020b; Miyato & Koyama 2018).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.equalized import Conv, Dense, activate
from jaxgan.networks.minibatch import MinibatchStddev
from jaxgan.networks.resample import downsample
from jaxgan.networks.stylegan2 import channels_at, sides_of
from jaxgan.networks.stylegan2_mapping import Mapping

ARCHITECTURES = ("resnet", "skip", "orig")


class Block(nn.Module):
    """Halves the sides: [B, H, W, I] -> [B, H / 2, W / 2, features]."""

    features: int
    residual: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        h = activate(Conv(x.shape[-1])(x))
        h = activate(Conv(self.features, halve=True)(h))
        if not self.residual:
            return h
        shortcut = Conv(self.features, kernel_size=1, halve=True, use_bias=False, name="shortcut")
        return (h + shortcut(x)) * 0.5**0.5


class Discriminator(nn.Module):
    """Images to logits; channels as in the generator.

    architecture: of ARCHITECTURES.
    group_size: of the minibatch standard deviation; it must divide the batch, or is the batch
      where that is smaller.
    embed_dim, mapping_layers: of the mapped label.
    """

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    architecture: str = "resnet"
    channel_base: int = 16384
    channel_max: int = 512
    group_size: int = 4
    embed_dim: int = 512
    mapping_layers: int = 8

    # As its authors train it: R1 is of the gradient of the sum of the group's logits.
    penalized_as_sum = True

    @property
    def mixes_examples(self) -> bool:
        return True

    @property
    def batch_multiple(self) -> int:
        return self.group_size

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        known = {name: name for name in ARCHITECTURES}
        kind = choose("architecture (disc.architecture)", known, self.architecture)
        smallest, *larger = sides_of(self.image_shape)
        levels = [channels_at(self, sides) for sides in reversed(larger)]
        below = [*levels[1:], channels_at(self, smallest)]

        x = activate(Conv(levels[0], kernel_size=1, name="from_image_0")(images))
        for level, features in enumerate(below, start=1):
            x = Block(features, kind == "resnet")(x)
            if kind == "skip":
                images = downsample(images)
                x = x + activate(Conv(features, kernel_size=1, name=f"from_image_{level}")(images))
        self.sow("intermediates", "features", x.reshape(len(x), -1))
        channels = x.shape[-1]
        x = MinibatchStddev(self.group_size)(x)
        x = activate(Conv(channels)(x))
        x = activate(Dense(channels)(x.reshape(len(x), -1)))
        if not self.num_classes:
            return Dense(1)(x)[:, 0]
        mapping = Mapping(
            self.num_classes, self.embed_dim, self.mapping_layers, keep_mean=False, name="mapping"
        )
        mapped = mapping(None, labels, train=train)
        return jnp.sum(Dense(self.embed_dim)(x) * mapped, axis=-1) * self.embed_dim**-0.5
