"""Perceptual distance of two images: how far apart a network's layers see them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.features.network import FeatureNetwork, prepare

BATCH = 16  # pairs at a time: all layers of each are held


def perceptual_distance(network: FeatureNetwork, x, y) -> np.ndarray:
    """Distance of each pair, [N] float32: 0 for equal images, at most 4 times the layers.

    Zhang et al. 2018, eq. 1 with all weights 1: at each layer that stands in the network's trunk,
    the features of every place are brought to unit length over channels, and the squared
    differences are averaged over places; the layers are summed. LPIPS itself has weights that were
    fitted to human judgements, so that its values are others, and this bears the network's name.

    x, y: uint8 images [N, H, W, C].

    Raises:
      UsageError: shapes that differ, or no images.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.ndim != 4 or not len(x):
        raise UsageError(f"x and y must both be images [N, H, W, C]; got {x.shape} and {y.shape}")
    values = []
    for i in range(0, len(x), BATCH):
        pair = [np.resize(images[i : i + BATCH], (BATCH, *x.shape[1:])) for images in (x, y)]
        found = _distances(network.variables, *pair, description=network.description)
        values.append(np.asarray(found)[: len(x) - i])
    return np.concatenate(values)


def layer_distances(network: FeatureNetwork, x: jax.Array, y: jax.Array) -> jax.Array:
    """`perceptual_distance` of float32 images in 0 to 255, [B]; traceable, and differentiable."""
    return _distances(network.variables, x, y, description=network.description)


@partial(jax.jit, static_argnames="description")
def _distances(variables, x, y, *, description):
    with jax.default_matmul_precision("highest"):
        _, seen = description.module.apply(
            variables,
            prepare(jnp.concatenate([x, y]), description),
            capture_intermediates=lambda module, method: len(module.path) == 1,
            mutable=["intermediates"],
        )
    layers = [leaf for leaf in jax.tree.leaves(seen) if leaf.ndim > 2]
    return sum(_distance(layer) for layer in layers)


def _distance(layer: jax.Array) -> jax.Array:
    """layer: [2 B, ..., C], the first half against the second, [B]."""
    squares = jnp.sum(layer**2, axis=-1, keepdims=True)
    norms = jnp.sqrt(jnp.where(squares > 0, squares, 1.0))  # of no features any: they stay 0
    first, second = jnp.split(layer / (norms + 1e-10), 2)
    gaps = jnp.sum((first - second) ** 2, axis=-1)
    return gaps.mean(axis=tuple(range(1, gaps.ndim)))
