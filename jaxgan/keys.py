"""Random keys by name: a stream of randomness is a fold of the root key; no split is stored."""

import zlib

import jax


def fold(key: jax.Array, name: str) -> jax.Array:
    """The key of the stream `name` under `key`; the same on every machine and in every process."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
