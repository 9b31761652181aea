"""Standing statistics: batch norm's averages measured anew for a generator that is finished."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.games.adversarial import AdversarialGame
from jaxgan.keys import fold
from jaxgan.networks.apply import apply

STATISTICS = "batch_stats"


def standing_statistics(
    game: AdversarialGame,
    params: Any,
    variables: Any,
    key: jax.Array,
    *,
    batches: int = 16,
    batch_size: int = 256,
    labels: jax.Array | None = None,
) -> Any:
    """The generator's variables with statistics of `params`' own activations (Brock et al. 2019).

    Averages that were collected while the weights moved lag behind them. These are the plain mean,
    over `batches` batches of fresh latents, of each batch's mean and variance. variables without
    batch statistics are returned as they are.

    labels: [batches * batch_size, ...] of a conditional generator.

    A module tells `new = m old + (1 - m) batch` and not `batch`. As that is linear in `old`, the
    values for old = 0 and old = 1 give m and with it the batch's own.
    """
    if STATISTICS not in variables:
        return variables

    def updated(old: float, latents, labels, key):
        filled = jax.tree.map(lambda leaf: jnp.full_like(leaf, old), variables[STATISTICS])
        _, new, _ = apply(
            game.gen,
            params,
            {**variables, STATISTICS: filled},
            latents,
            labels,
            train=True,
            key=key,
            dtype=game.dtype,
        )
        return new[STATISTICS]

    def batch_value(old, zero, one):
        moved = one - zero < 1.0  # else the pass does not reach it: the norm of an encoder
        return jnp.where(moved, zero / jnp.where(moved, 1.0 - (one - zero), 1.0), old)

    @jax.jit
    def of_batch(i, labels):
        here = jax.random.fold_in(key, i)
        latents = game.latents(fold(here, "latents"), batch_size)
        zeros, ones = (updated(old, latents, labels, fold(here, "dropout")) for old in (0.0, 1.0))
        # new(1) - new(0) is m, the same number in every leaf that is averaged at all.
        return jax.tree.map(batch_value, variables[STATISTICS], zeros, ones)

    total = None
    for i in range(batches):
        chosen = None if labels is None else labels[i * batch_size : (i + 1) * batch_size]
        values = of_batch(i, chosen)
        total = values if total is None else jax.tree.map(jnp.add, total, values)
    return {**variables, STATISTICS: jax.tree.map(lambda leaf: leaf / batches, total)}
