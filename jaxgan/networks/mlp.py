"""Fully connected generator and discriminator (Goodfellow et al. 2014), for images of any shape."""

import math

import flax.linen as nn
import jax

from jaxgan.choices import choose
from jaxgan.networks.parts import ACTIVATIONS, LabelVector

# U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as in the tutorials' framework. With Flax's default, 1.7
# times as wide, and Adam's default beta1 the discriminator of configs/mlp_mnist.py wins within a
# few hundred steps and the generator's tanh saturates for good.
INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# ReLU passes half of a signal's power on. With INIT the latents are a tenth of what they were after
# three layers, every latent gives the same image, and configs/mlp_mnist_relu.py collapses; with
# twice the power (He et al. 2015, eq. 10) it does not.
RELU_INIT = nn.initializers.he_normal()


class Generator(nn.Module):
    """Latents through `hidden` layers to an image in [-1, 1] (tanh)."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    latent_dim: int = 100
    prior: str = "normal"
    hidden: tuple[int, ...] = (256, 512, 1024)
    activation: str = "relu"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        activation = choose("activation", ACTIVATIONS, self.activation)
        hidden_init = RELU_INIT if self.activation == "relu" else INIT
        x = LabelVector(self.num_classes, 10 * bool(self.num_classes))(latents, labels)
        for features in self.hidden:
            x = activation(nn.Dense(features, kernel_init=hidden_init)(x))
        x = nn.tanh(nn.Dense(math.prod(self.image_shape), kernel_init=INIT)(x))
        return x.reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    """A flattened image through `hidden` layers, each with dropout, to a logit."""

    image_shape: tuple[int, int, int]
    num_classes: int = 0
    hidden: tuple[int, ...] = (512, 256)
    activation: str = "leaky_relu"
    dropout: float = 0.0

    @property
    def mixes_examples(self) -> bool:
        return False

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        activation = choose("activation", ACTIVATIONS, self.activation)
        x = images.reshape(images.shape[0], -1)
        x = LabelVector(self.num_classes, 10 * bool(self.num_classes))(x, labels)
        for features in self.hidden:
            x = activation(nn.Dense(features, kernel_init=INIT)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        self.sow("intermediates", "features", x)
        return nn.Dense(1, kernel_init=INIT)(x)[:, 0]
