"""Latents to sample with: truncated, by seeds, and on paths between others."""

import re
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxgan.errors import UsageError
from jaxgan.keys import fold

MAX_SEED = 2**32


def truncated_normal(key: jax.Array, shape: tuple[int, ...], threshold: float) -> jax.Array:
    """N(0, 1) where values beyond +-threshold are drawn anew (Brock et al. 2019, sec. 3.1)."""
    return jax.random.truncated_normal(key, -threshold, threshold, shape)


def draw(
    latents: Callable[[jax.Array, int], jax.Array],
    latent_dim: int,
    seed: int,
    count: int,
    truncation: float | None = None,
) -> jax.Array:
    """`count` latents of a seed, [count, D]. latents: the prior, `(key, count) -> [count, D]`.

    truncation: the threshold of a normal prior, which `latents` must then be.
    """
    key = fold(jax.random.key(seed), "sample")
    if truncation is None:
        return latents(key, count)
    return truncated_normal(key, (count, latent_dim), truncation)


def parse_seeds(text: str, flag: str = "--seeds") -> list[int]:
    """The numbers, seeds or others, of "1,2,5-8": 1, 2, 5, 6, 7, 8.

    Raises:
      UsageError: it is no such list, or one is out of range.
    """
    seeds = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < MAX_SEED or last - first > 100_000:
            raise UsageError(f"{flag} must look like 1,2,5-8, below 2**32; got {text!r}")
        seeds += range(first, last + 1)
    return seeds


def lerp(start: jax.Array, end: jax.Array, t: jax.Array) -> jax.Array:
    """On the straight line: start [..., D] at t = 0, end at 1. t: [..., 1]."""
    return (1 - t) * start + t * end


def slerp(start: jax.Array, end: jax.Array, t: jax.Array) -> jax.Array:
    """On the great circle, at a constant angular speed (Shoemake 1985): as `lerp` otherwise.

    Two of equal norm keep it all the way, as draws of a normal prior nearly do. Between parallel
    or opposite vectors there is no one circle: there it is the straight line.
    """
    norms = jnp.linalg.norm(start, axis=-1, keepdims=True) * jnp.linalg.norm(
        end, axis=-1, keepdims=True
    )
    cosine = jnp.sum(start * end, axis=-1, keepdims=True) / jnp.maximum(norms, 1e-12)
    angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    sine = jnp.sin(angle)
    flat = sine < 1e-3
    on_circle = jnp.sin((1 - t) * angle) * start + jnp.sin(t * angle) * end
    return jnp.where(flat, lerp(start, end, t), on_circle / jnp.where(flat, 1.0, sine))


PATHS: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "slerp": slerp,
    "linear": lerp,
}


def between(start: jax.Array, end: jax.Array, count: int, path: str) -> jax.Array:
    """`count` latents from each start to its end, both among them: [R, D] -> [R * count, D]."""
    t = jnp.linspace(0.0, 1.0, count)[None, :, None]
    return PATHS[path](start[:, None], end[:, None], t).reshape(-1, start.shape[-1])


def closed_walk(stops: Sequence[jax.Array] | jax.Array, count: int, path: str) -> jax.Array:
    """`count` latents through all `stops` [W, D] and on to the first again, [count, D].

    Equal parts of the walk take equal times; its last latent is a step away from its first.
    """
    stops = jnp.asarray(stops)
    place = jnp.arange(count) * (len(stops) / count)
    leg = jnp.minimum(jnp.floor(place).astype(int), len(stops) - 1)
    t = (place - leg)[:, None]
    return PATHS[path](stops[leg], stops[(leg + 1) % len(stops)], t)
