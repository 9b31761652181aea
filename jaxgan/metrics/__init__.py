"""Scores of generated images, as pure functions of arrays."""

from collections.abc import Callable

import jax

from jaxgan.metrics.sliced_wasserstein import sliced_wasserstein

# (real [N, H, W, C], fake [N, H, W, C], key) -> scalar; images in [-1, 1]
METRICS: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "swd": sliced_wasserstein,
}
