"""Small parts that several architectures share: sides, kernels, latents, norms, labels.

Labels are int [B], or float [B, num_classes] where an example has several classes or a share of
each: then what a class sets is added up, labels @ table.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.layers import Dense, Embed

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "leaky_relu": partial(nn.leaky_relu, negative_slope=0.2),
    "tanh": nn.tanh,
    "elu": nn.elu,
    "swish": nn.swish,
}
# Of a generator's last layer: images in [-1, 1], or whatever it gives.
OUTPUTS: dict[str, Callable[[jax.Array], jax.Array]] = {"tanh": nn.tanh, "linear": lambda x: x}

# Kernels by name: those of 3x3, which follow a ReLU, and the others.
ORTHOGONAL = nn.initializers.orthogonal()
INITS: dict[str, tuple[nn.initializers.Initializer, nn.initializers.Initializer]] = {
    # Glorot's uniform, with twice the variance after a ReLU (the code of SNGAN's authors).
    "glorot": (
        nn.initializers.variance_scaling(2.0, "fan_avg", "uniform"),
        nn.initializers.glorot_uniform(),
    ),
    "orthogonal": (ORTHOGONAL, ORTHOGONAL),  # Saxe et al. 2014; BigGAN
    "normal": (nn.initializers.normal(0.02),) * 2,
}


def kernel_inits(name: str) -> tuple[nn.initializers.Initializer, nn.initializers.Initializer]:
    """Of 3x3 kernels that follow a ReLU, and of the others: of INITS, or "package.module:name"."""
    return choose("init (kernel_init)", INITS, name)


def halvings(image_shape: tuple[int, int, int], family: str) -> int:
    """How many times both sides are halved: 2, and on while both are even and at least 8.

    16 = 4 * 2^2, 32 = 4 * 2^3, 128 = 4 * 2^5, 28 = 7 * 2^2; 32x64 is halved as 32 is.

    Raises:
      ValueError: a side is no multiple of 4; the message names the `family` of networks.
    """
    height, width, _ = image_shape
    if height < 4 or width < 4 or height % 4 or width % 4:
        raise ValueError(
            f"{family} makes images with sides that are multiples of 4; "
            f"got {height}x{width} (set data.resolution)"
        )
    count, sides = 2, (height // 4, width // 4)
    while min(sides) >= 8 and not any(side % 2 for side in sides):
        count, sides = count + 1, tuple(side // 2 for side in sides)
    return count


def normal_latents(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(key, shape)


def uniform_latents(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


PRIORS = {"normal": normal_latents, "uniform": uniform_latents}


class BatchNorm(nn.Module):
    """Batch normalization with DCGAN's initial scale, N(1, 0.02)."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        scale_init = lambda key, shape, dtype: 1 + 0.02 * jax.random.normal(key, shape, dtype)
        return nn.BatchNorm(use_running_average=not train, momentum=0.9, scale_init=scale_init)(x)


class ConditionalBatchNorm(nn.Module):
    """Batch normalization with a scale and a bias for each class (Dumoulin et al. 2017, eq. 5).

    The scale is 1 plus what the label sets, which is 0 at first.
    """

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array, *, train: bool) -> jax.Array:
        table = partial(
            Embed, self.num_classes, x.shape[-1], embedding_init=nn.initializers.zeros_init()
        )
        return _scaled(x, table(name="scale")(labels), table(name="bias")(labels), train=train)


class ProjectedBatchNorm(nn.Module):
    """Batch normalization whose scale and bias are linear in a vector [B, E] (Brock et al. 2019).

    The scale is 1 plus what the vector sets; neither projection has a bias of its own.
    """

    spectral_norm: bool
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array, vector: jax.Array, *, train: bool) -> jax.Array:
        linear = partial(
            Dense,
            x.shape[-1],
            use_bias=False,
            spectral_norm=self.spectral_norm,
            kernel_init=self.kernel_init,
        )
        return _scaled(x, linear(name="scale")(vector), linear(name="bias")(vector), train=train)


def _scaled(x: jax.Array, scale: jax.Array, bias: jax.Array, *, train: bool) -> jax.Array:
    """`x` [B, ..., C] normalized over the batch, times 1 + scale, plus bias, both [B, C]."""
    norm = nn.BatchNorm(
        use_running_average=not train, momentum=0.9, use_scale=False, use_bias=False
    )
    shape = (len(x), *(1,) * (x.ndim - 2), x.shape[-1])
    return norm(x) * (1 + scale.reshape(shape)) + bias.reshape(shape)


class LayerNorm(nn.Module):
    """Normalization of each example over height, width and channels; mixes no examples."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return nn.LayerNorm(reduction_axes=tuple(range(1, x.ndim)), feature_axes=-1)(x)


class NoNorm(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return x


NORMS = {"batch": BatchNorm, "layer": LayerNorm, "none": NoNorm}


class Code(nn.Module):
    """Latents of features: [B, F] -> [B, latent_dim].

    In training drawn from a Gaussian of learned mean and deviation for each (ALI, Dumoulin et al.
    2017, eq. 2), otherwise its mean. Not `stochastic`: the mean always (BiGAN).
    """

    latent_dim: int
    stochastic: bool
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        mean = nn.Dense(self.latent_dim, kernel_init=self.kernel_init, name="mean")(x)
        if not self.stochastic:
            return mean
        log_std = nn.Dense(self.latent_dim, kernel_init=self.kernel_init, name="log_std")(x)
        if not train:
            return mean
        noise = jax.random.normal(self.make_rng("dropout"), mean.shape, mean.dtype)
        return mean + jnp.exp(log_std) * noise


# As strong as latents and pixels are, so that the label is not the last thing to be noticed.
EMBEDDING = nn.initializers.normal(1.0)


# How a generator learns of the label, and whether that is by its batch norm.
GEN_CONDITIONING = {"concat": False, "batch_norm": True}


class LabelVector(nn.Module):
    """Appends a learned vector of the label to `x` [B, D]; without classes, `x` itself."""

    num_classes: int
    features: int

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None) -> jax.Array:
        if not self.num_classes:
            return x
        return jnp.concatenate(
            [x, Embed(self.num_classes, self.features, embedding_init=EMBEDDING)(labels)],
            axis=-1,
        )


class LabelMap(nn.Module):
    """Appends a learned picture of the label to `x` [B, H, W, C] as one more channel."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None) -> jax.Array:
        if not self.num_classes:
            return x
        batch, height, width, _ = x.shape
        picture = Embed(self.num_classes, height * width, embedding_init=EMBEDDING)(labels)
        return jnp.concatenate([x, picture.reshape(batch, height, width, 1)], axis=-1)
