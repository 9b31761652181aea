"""Spectral normalisation (Miyato et al. 2018): a kernel over its largest singular value."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

COLLECTION = "spectral"


def spectrally_normalized(layer: nn.Module, kernel: jax.Array) -> jax.Array:
    """`kernel` [..., O] over the estimate of its largest singular value as a matrix W [-1, O].

    The estimate is that of power iteration (algorithm 1), from a vector that `layer` keeps in the
    collection "spectral" and moves on by a round in each pass in which that is mutable. The vectors
    are constants to the gradient, which sees sigma = u^T W v as a function of W.

    What is kept may have any length: an averaged generator has the average of unit vectors, which
    is shorter than one.
    """
    random = lambda: _unit(jax.random.normal(layer.make_rng("params"), kernel.shape[-1:]))
    kept = layer.variable(COLLECTION, "right", random)
    turn = layer.is_mutable_collection(COLLECTION)
    kernel, right = _normalized(kernel, kept.value, turn=turn)
    if turn and not layer.is_initializing():
        kept.value = right
    return kernel


@partial(jax.jit, static_argnames="turn")  # so that equal shapes are traced once
def _normalized(kernel: jax.Array, right: jax.Array, *, turn: bool) -> tuple[jax.Array, jax.Array]:
    """The kernel over its sigma, and the right vector, moved on by a round if it is to `turn`."""
    matrix = kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
    fixed = lax.stop_gradient(matrix)
    v = _unit(right)
    u = _unit(fixed @ v)
    if turn:
        v = _unit(u @ fixed)
    return kernel / (u @ matrix @ v).astype(kernel.dtype), v


def _unit(vector: jax.Array) -> jax.Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)
