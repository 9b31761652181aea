"""Random keys by name: a stream of randomness is a fold of the root key; no split is stored."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl, threefry_prng_impl

# Of Threefry-2x32 (Salmon et al. 2011): rotations of four rounds, and the parity of its key.
ROTATIONS = np.array([[13, 15, 26, 6], [17, 29, 16, 24]], np.uint32)
PARITY = np.uint32(0x1BD11BDA)
SMALLEST, LARGEST = 2**10, 2**20  # of the blocks that bits are drawn in


def fold(key: jax.Array, name: str) -> jax.Array:
    """The key of the stream `name` under `key`; the same on every machine and in every process."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def quick_to_compile(key: jax.Array) -> jax.Array:
    """The same key: what is drawn from it, and from its folds and splits, has the same values.

    XLA compiles a draw of JAX's own for each shape anew, 20 rounds of it in one expression: for
    networks of many parameters that takes longer than the step. Here the rounds are a loop, and
    shapes share it. It runs more slowly: it is for what is drawn once.
    """
    if jax.random.key_impl(key) != "threefry2x32":
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_LOOPED)


@jax.jit
def _threefry(key: jax.Array, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two words of each of the blocks (0, count). key: uint32 [2]; counts: uint32 [N]."""
    words = jnp.stack([key[0], key[1], key[0] ^ key[1] ^ PARITY])
    rotations = jnp.asarray(ROTATIONS)

    def four_rounds(i, pair):
        first, second = pair
        for by in rotations[i % 2]:
            first = first + second
            second = first ^ ((second << by) | (second >> (32 - by)))
        added = words[(i + 2) % 3] + (i + 1).astype(jnp.uint32)
        return first + words[(i + 1) % 3], second + added

    return jax.lax.fori_loop(
        0, 5, four_rounds, (jnp.full_like(counts, words[0]), counts + words[1])
    )


def _random_bits(key: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    size = int(np.prod(shape))
    if bit_width != 32 or not 0 < size < 2**32 or not jax.config.jax_threefry_partitionable:
        return threefry_prng_impl.random_bits(key, bit_width, shape)
    block = min(LARGEST, max(SMALLEST, 1 << (size - 1).bit_length()))
    padded = -(-size // block) * block
    first, second = _threefry(key, jnp.arange(padded, dtype=jnp.uint32))
    return (first ^ second)[:size].reshape(shape)


_LOOPED = define_prng_impl(
    key_shape=threefry_prng_impl.key_shape,
    seed=threefry_prng_impl.seed,
    split=threefry_prng_impl.split,
    fold_in=threefry_prng_impl.fold_in,
    random_bits=_random_bits,
    name="threefry2x32_looped",
    tag="fryl",
)
