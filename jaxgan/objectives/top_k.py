"""Top-k training: the generator learns from its best fakes alone (Sinha et al. 2020)."""

import jax
import jax.numpy as jnp


def top_k_count(
    step: jax.Array | int, batch: int, *, least: float, decay: float, every: int
) -> jax.Array:
    """k at a step: max(least * B, decay^(step // every) * B), rounded down, and 1 at least.

    Sinha et al. 2020 let it fall by 0.99 an epoch, to half of the batch.
    """
    fraction = jnp.maximum(least, decay ** jnp.float32(step // every))
    # The least float32 below a whole number is meant to be that number.
    return jnp.maximum(1, jnp.floor(fraction * batch + 1e-4)).astype(jnp.int32)


def top_k_mean(
    values: jax.Array,
    fake_logits: jax.Array,
    step: jax.Array | int,
    *,
    least: float,
    decay: float,
    every: int,
) -> jax.Array:
    """The mean of the `values` [B] of the k fakes whose logits are the highest.

    Sinha et al. 2020, algorithm 1; k is `top_k_count`'s. Of equal logits the first ones count.
    """
    k = top_k_count(step, len(values), least=least, decay=decay, every=every)
    order = jnp.argsort(-jax.lax.stop_gradient(fake_logits))
    ranks = jnp.argsort(order)
    return jnp.sum(jnp.where(ranks < k, values, 0.0)) / k
