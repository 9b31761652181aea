"""Fully connected generator and discriminator (Goodfellow et al. 2014), for images of any shape.

A point in the plane is an image of the shape (2,), with coordinates in no range: `output="linear"`.
PacGAN's networks for such points (Lin et al. 2018) are, by the authors' program, a generator with
norm="batch", output="linear" and hidden=(400,) * 4 against a discriminator with activation="maxout"
and hidden=(200,) * 3, both with init_std=0.02.
"""

import math
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.minibatch import MINIBATCH, batch_multiple
from jaxgan.networks.parts import ACTIVATIONS, NORMS, OUTPUTS, Code, LabelVector

# U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as in the tutorials' framework. With Flax's default, 1.7
# times as wide, and Adam's default beta1 the discriminator of configs/mlp_mnist.py wins within a
# few hundred steps and the generator's tanh saturates for good.
INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# ReLU passes half of a signal's power on. With INIT the latents are a tenth of what they were after
# three layers, every latent gives the same image, and configs/mlp_mnist_relu.py collapses; with
# twice the power (He et al. 2015, eq. 10) it does not.
RELU_INIT = nn.initializers.he_normal()


def _kernels(std: float, otherwise: nn.initializers.Initializer) -> nn.initializers.Initializer:
    return nn.initializers.normal(std) if std else otherwise


def maxout(x: jax.Array, *, pieces: int) -> jax.Array:
    """The greatest of `pieces` values for each of F units: [..., pieces * F] -> [..., F].

    After a Dense layer this is maxout (Goodfellow et al. 2013, eq. 2 and 3). Comparisons of two, as
    JAX's derivative of `max` looks for the values that equal the greatest and divides by how many
    it finds: none, where the compiler computes them a second time with another rounding.
    """
    return reduce(lambda a, b: jnp.where(a >= b, a, b), jnp.split(x, pieces, axis=-1))


def _hidden(x: jax.Array, network: "Generator | Encoder", *, train: bool) -> jax.Array:
    """`x` [B, D] through the hidden layers of `network`, which they belong to."""
    activation = choose("activation", ACTIVATIONS, network.activation)
    norm = choose("norm", NORMS, network.norm)
    kernel_init = _kernels(network.init_std, RELU_INIT if network.activation == "relu" else INIT)
    for features in network.hidden:
        # A bias before batch norm has no gradient but noise, which Adam turns into real updates.
        x = nn.Dense(features, use_bias=network.norm != "batch", kernel_init=kernel_init)(x)
        x = activation(norm()(x, train=train))
    return x


class Generator(nn.Module):
    """Latents through `hidden` layers to an image, in [-1, 1] where `output` is tanh.

    norm: between each hidden layer and its activation.
    init_std: of every kernel; 0: as wide as the activation wants it.
    """

    image_shape: tuple[int, ...]
    num_classes: int = 0
    latent_dim: int = 100
    prior: str = "normal"
    hidden: tuple[int, ...] = (256, 512, 1024)
    activation: str = "relu"
    norm: str = "none"
    output: str = "tanh"
    init_std: float = 0.0

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        output = choose("output", OUTPUTS, self.output)
        x = LabelVector(self.num_classes, 10 * bool(self.num_classes))(latents, labels)
        x = _hidden(x, self, train=train)
        last_init = _kernels(self.init_std, INIT)
        x = output(nn.Dense(math.prod(self.image_shape), kernel_init=last_init)(x))
        return x.reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
    """A flattened image through `hidden` layers, each with dropout, to a logit.

    activation: of ACTIVATIONS, or "maxout" with so many `pieces` for a unit.
    minibatch: of MINIBATCH, before the last layer.
    init_std: of every kernel; 0: U(-1, 1) / sqrt(fan_in).
    """

    image_shape: tuple[int, ...]
    num_classes: int = 0
    hidden: tuple[int, ...] = (512, 256)
    activation: str = "leaky_relu"
    pieces: int = 5
    dropout: float = 0.0
    minibatch: str = "none"
    init_std: float = 0.0

    @property
    def mixes_examples(self) -> bool:
        return self.minibatch != "none"

    @property
    def batch_multiple(self) -> int:
        return batch_multiple(self.minibatch)

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        activations = ACTIVATIONS | {"maxout": partial(maxout, pieces=self.pieces)}
        activation = choose("activation", activations, self.activation)
        maps = self.pieces if self.activation == "maxout" else 1  # linear ones for a unit
        kernel_init = _kernels(self.init_std, INIT)
        x = images.reshape(images.shape[0], -1)
        x = LabelVector(self.num_classes, 10 * bool(self.num_classes))(x, labels)
        for features in self.hidden:
            x = activation(nn.Dense(features * maps, kernel_init=kernel_init)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        self.sow("intermediates", "features", x)
        x = choose("minibatch layer", MINIBATCH, self.minibatch)()(x)
        return nn.Dense(1, kernel_init=kernel_init)(x)[:, 0]


class Encoder(nn.Module):
    """A flattened image through `hidden` layers to its latents; otherwise as the generator."""

    image_shape: tuple[int, ...]
    latent_dim: int
    num_classes: int = 0
    hidden: tuple[int, ...] = (1024, 512, 256)
    activation: str = "relu"
    norm: str = "none"
    stochastic: bool = True
    init_std: float = 0.0

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        x = images.reshape(images.shape[0], -1)
        x = LabelVector(self.num_classes, 10 * bool(self.num_classes))(x, labels)
        x = _hidden(x, self, train=train)
        return Code(self.latent_dim, self.stochastic, _kernels(self.init_std, INIT))(x, train=train)
