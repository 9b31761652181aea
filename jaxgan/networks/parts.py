"""Small parts that several architectures share: activations, norms, labels, latents."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "leaky_relu": partial(nn.leaky_relu, negative_slope=0.2),
    "tanh": nn.tanh,
    "elu": nn.elu,
    "swish": nn.swish,
}


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


class LabelVector(nn.Module):
    """Appends a learned vector of the label to `x` [B, D]; without classes, `x` itself."""

    num_classes: int
    features: int

    @nn.compact
    def __call__(self, x: jax.Array, labels: jax.Array | None) -> jax.Array:
        if not self.num_classes:
            return x
        return jnp.concatenate(
            [x, nn.Embed(self.num_classes, self.features, embedding_init=EMBEDDING)(labels)],
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
        picture = nn.Embed(self.num_classes, height * width, embedding_init=EMBEDDING)(labels)
        return jnp.concatenate([x, picture.reshape(batch, height, width, 1)], axis=-1)
