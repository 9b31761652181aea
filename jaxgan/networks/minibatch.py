"""Layers that tell a discriminator how like each other the examples of a batch are.

A generator that always makes the same is betrayed by them. Examples are `[B, ...]`; what is found
out is appended to the features, and the logit of one example depends on the others of its batch.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose


class MinibatchStddev(nn.Module):
    """Appends the mean standard deviation of a group: [B, ..., C] -> [B, ..., C + features].

    Karras et al. 2018, sec. 3, in the form of StyleGAN: the batch is divided into groups of
    `group_size` examples, or is one group where it is smaller; in each group the standard deviation
    of every activation over the examples is taken, and averaged over all positions and over each of
    `features` equal parts of the channels. Example i is in group i mod (B / group_size).

    Raises:
      ValueError: a group does not divide the batch, or `features` the channels.
    """

    group_size: int = 4
    features: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, channels = x.shape[0], x.shape[-1]
        size = min(self.group_size, batch)
        if batch % size or channels % self.features:
            raise ValueError(
                f"minibatch stddev: group_size={self.group_size} must divide the batch of {batch} "
                f"and features={self.features} the {channels} channels"
            )
        parts = x.reshape(size, batch // size, -1, self.features, channels // self.features)
        parts = parts.astype(jnp.promote_types(x.dtype, jnp.float32))
        # 1e-8 keeps the derivative of the root finite where all examples are the same.
        deviation = jnp.sqrt(parts.var(axis=0) + 1e-8).mean(axis=(1, 3)).astype(x.dtype)
        found = jnp.tile(deviation, (size, 1))  # [B, features]
        found = found.reshape(batch, *(1,) * (x.ndim - 2), self.features)
        return jnp.concatenate([x, jnp.broadcast_to(found, (*x.shape[:-1], self.features))], -1)


class MinibatchDiscrimination(nn.Module):
    """Appends learned likenesses to the batch: [B, ...] -> [B, F + kernels], flattened.

    Salimans et al. 2016, sec. 3.2: with M_i = x_i T in `kernels` rows of `dims` numbers each,

        o(x_i)_b = sum_j exp(-||M_ib - M_jb||_1)        over all j of the batch, i too
    """

    kernels: int = 100
    dims: int = 5

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(x.shape[0], math.prod(x.shape[1:]))
        rows = nn.Dense(self.kernels * self.dims, use_bias=False, name="T")(x)
        rows = rows.reshape(-1, self.kernels, self.dims)
        distances = jnp.abs(rows[:, None] - rows[None]).sum(axis=-1)  # [B, B, kernels]
        return jnp.concatenate([x, jnp.exp(-distances).sum(axis=1)], axis=-1)


class Alone(nn.Module):
    """Every example for itself."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return x


MINIBATCH: dict[str, type[nn.Module]] = {
    "none": Alone,
    "stddev": MinibatchStddev,
    "discrimination": MinibatchDiscrimination,
}


def batch_multiple(name: str) -> int:
    """What a layer of MINIBATCH asks a batch to be a multiple of."""
    return getattr(choose("minibatch layer", MINIBATCH, name), "group_size", 1)
