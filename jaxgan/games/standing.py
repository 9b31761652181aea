"""Standing statistics: batch norm's averages measured anew for a generator that is finished."""

from functools import partial
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

    A module tells `new = m old + (1 - m) batch` and not `batch`. For old = 0 that is the batch's
    own but for the factor 1 - m. A second pass gives m: its `old` is what the first has told, of
    the size of `batch`, so that no digit is lost, however large that is.
    """
    if STATISTICS not in variables:
        return variables
    total = None
    for i in range(batches):
        chosen = None if labels is None else labels[i * batch_size : (i + 1) * batch_size]
        here = jax.random.fold_in(key, i)
        values = _of_batch(game, batch_size, params, variables, chosen, here)
        total = values if total is None else jax.tree.map(jnp.add, total, values)
    return {**variables, STATISTICS: jax.tree.map(lambda leaf: leaf / batches, total)}


@partial(jax.jit, static_argnums=(0, 1))
def _of_batch(
    game: AdversarialGame,
    batch_size: int,
    params: Any,
    variables: Any,
    labels: jax.Array | None,
    key: jax.Array,
) -> Any:
    """The mean and variance of a batch's activations, in the places of the averages."""
    latents = game.latents(fold(key, "latents"), batch_size)

    def updated(old):
        _, new, _ = apply(
            game.gen,
            params,
            {**variables, STATISTICS: old},
            latents,
            labels,
            train=True,
            key=fold(key, "dropout"),
            dtype=game.dtype,
        )
        return new[STATISTICS]

    def batch_value(kept, first, second):
        told = first != 0.0
        m = second / jnp.where(told, first, 1.0) - 1.0
        # A 1 that stays 1 is not reached by the pass: the norm of an encoder.
        return jnp.where(told, first / (1.0 - m), jnp.where(second == 1.0, kept, 0.0))

    first = updated(jax.tree.map(jnp.zeros_like, variables[STATISTICS]))
    second = updated(jax.tree.map(lambda leaf: jnp.where(leaf != 0.0, leaf, 1.0), first))
    return jax.tree.map(batch_value, variables[STATISTICS], first, second)


def collected(game: AdversarialGame, generator: Any, key: jax.Array) -> Any:
    """`generator` ({"params", "variables"}) with the averages of its training."""
    return generator


def measured_anew(game: AdversarialGame, generator: Any, key: jax.Array) -> Any:
    """`generator` with standing statistics of 16 batches of 256 latents, of all classes in turn."""
    batches, size = 16, 256
    variables = standing_statistics(
        game,
        generator["params"],
        generator["variables"],
        fold(key, "standing"),
        batches=batches,
        batch_size=size,
        labels=game.labels(jnp.arange(batches * size)),
    )
    return {**generator, "variables": variables}


BATCH_STATISTICS = {"ema": collected, "standing": measured_anew}
