"""k-means on the device."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.jit, static_argnames=("k", "iterations"))
def k_means(x: jax.Array, key: jax.Array, *, k: int, iterations: int = 50) -> jax.Array:
    """Centres [k, d] of `x` [N, d] by Lloyd's algorithm from k-means++ seeds, in float32.

    Each seed is a sample drawn with a probability in proportion to its squared distance from the
    nearest earlier one (Arthur & Vassilvitskii 2007). A centre that loses all its samples stays
    where it was.
    """
    first, rest = jax.random.split(key)
    start = x[jax.random.randint(first, (), 0, len(x))]
    # Centres not drawn yet are copies of the first, which change no distance.
    centres = jnp.broadcast_to(start, (k, x.shape[1]))

    def seed(n, centres):
        gaps = _squared(x, centres).min(axis=1)
        chosen = jax.random.categorical(jax.random.fold_in(rest, n), jnp.log(gaps))
        return centres.at[n].set(x[chosen])

    def move(_, centres):
        members = jax.nn.one_hot(assign(x, centres), k)
        counts = members.sum(axis=0)[:, None]
        means = jnp.matmul(members.T, x, precision="highest") / jnp.maximum(counts, 1.0)
        return jnp.where(counts > 0, means, centres)

    centres = jax.lax.fori_loop(1, k, seed, centres)
    return jax.lax.fori_loop(0, iterations, move, centres)


def assign(x: jax.Array, centres: jax.Array) -> jax.Array:
    """Index of the nearest of `centres` [k, d] to each row of `x` [N, d]."""
    return jnp.argmin(_squared(x, centres), axis=1)


def _squared(x, centres):
    """Squared distances [N, k], not below 0."""
    products = jnp.matmul(x, centres.T, precision="highest")
    return jnp.maximum(0.0, (x**2).sum(1)[:, None] + (centres**2).sum(1) - 2.0 * products)
