"""The order of the data: a pure function from (seed words, position) to an example's index.

Every epoch is a permutation of its own that is computed, never stored: an unbalanced Feistel
network over the smallest power of two that holds n, walked along its cycle until the value is
below n again. The cost is that of the indices asked for, so it runs inside a compiled step and
any step can be reached at once, which is what makes a resumed run exact.

The same uint32 arithmetic serves numpy and jax.numpy arrays, bit for bit.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError

_ROUNDS = 8
# 2**32 over the golden ratio: odd, and far from a multiple of any small power of two.
_WEYL = 0x9E3779B9
_LIMIT = 2**31


def shuffled_index(words, position, n: int):
    """The example at a place of the endless, shuffled sequence of draws.

    Args:
      words: uint32 [K], the seed: `jax.random.key_data` of a key.
      position: integers >= 0 of any shape, counted in examples from the start of training.
      n: number of examples.

    Returns:
      int32 of position's shape, in [0, n). Positions e * n to e * n + n - 1, epoch e, name every
      example once.

    Raises:
      UsageError: n is not in 1 to 2**31 - 1.
    """
    _check_count("n", n)
    xp = _namespace(words, position)
    # numpy has int64, so that its positions may lie past 2**32; jax.numpy by default has not.
    word = np.int64 if xp is np else np.uint32
    position = xp.asarray(position).astype(word)
    return _permuted(xp, words, position // word(n), position % word(n), n)


def batch_indices(words, step, draws: int, batch_size: int, n: int):
    """The indices of step `step`, which consumes `draws` batches one after the other.

    Batches cross the borders of epochs: nothing is dropped.

    Args:
      words: uint32 [K], the seed.
      step: int32 >= 0; may be traced.
      draws, batch_size, n: static counts.

    Returns:
      int32 [draws, batch_size] in [0, n).

    Raises:
      UsageError: a count is not in 1 to 2**31 - 1.
    """
    per_step = draws * batch_size
    for name, count in ("draws", draws), ("batch_size", batch_size), ("n", n):
        _check_count(name, count)
    _check_count("draws * batch_size", per_step)
    xp = _namespace(words, step)
    with np.errstate(over="ignore"):
        epoch, index = _times(xp, xp.asarray(step).astype(xp.uint32), per_step, n)
        offset = xp.arange(per_step, dtype=xp.uint32).reshape(draws, batch_size)
        # index < n < 2**31 and offset < 2**31: the sum stays inside uint32.
        index = index + offset
        n_word = xp.uint32(n)
        return _permuted(xp, words, epoch + index // n_word, index % n_word, n)


def _times(xp, step, factor: int, n: int):
    """divmod(step * factor, n), though the product may exceed 32 bits.

    Horner's rule over the bits of the factor, on the number written as epoch * n + index; twice
    an index is below 2**32 since n < 2**31. The epoch wraps at 2**32, which no run reaches.
    """
    n_word = xp.uint32(n)
    quotient, remainder = step // n_word, step % n_word
    epoch, index = xp.zeros_like(step), xp.zeros_like(step)
    for bit in f"{factor:b}":
        index = index + index
        epoch = epoch + epoch + index // n_word
        index = index % n_word
        if bit == "1":
            index = index + remainder
            epoch = epoch + quotient + index // n_word
            index = index % n_word
    return epoch, index


def _permuted(xp, words, epoch, index, n: int):
    """Element `index` of epoch `epoch`'s permutation of range(n)."""
    permute = _permute_traced_once if xp is jnp else partial(_permute, np)
    return permute(words, epoch, index, n)


def _permute(xp, words, epoch, index, n: int):
    bits = (n - 1).bit_length()
    with np.errstate(over="ignore"):
        epoch, index = epoch.astype(xp.uint32), index.astype(xp.uint32)
        keys = _epoch_keys(xp, xp.asarray(words).astype(xp.uint32), epoch)

        def scramble(value):
            return _feistel(xp, value, bits, keys)

        # The network permutes [0, 2**bits); following its cycle from a value below n to the next
        # value below n permutes [0, n). Since 2**bits < 2 n, two turns do on average.
        value = scramble(index)
        if n != 1 << bits:
            value = _walk(xp, scramble, value, xp.uint32(n))
    return value.astype(xp.int32)


# Some three hundred operations, which every step that is traced would trace again.
_permute_traced_once = jax.jit(partial(_permute, jnp), static_argnums=3)


def _walk(xp, scramble, value, limit):
    def outside(value):
        return xp.any(value >= limit)

    def turn(value):
        return xp.where(value >= limit, scramble(value), value)

    if xp is jnp:
        return jax.lax.while_loop(outside, turn, value)
    while outside(value):
        value = turn(value)
    return value


def _epoch_keys(xp, words, epoch):
    """Two words, of epoch's shape, that depend on every seed word and on the epoch."""
    first, second = _mix(xp, epoch + xp.uint32(_WEYL)), _mix(xp, epoch ^ xp.uint32(_WEYL))
    for i in range(words.shape[0]):
        first = _mix(xp, (first ^ words[i]) + xp.uint32(_WEYL))
        second = _mix(xp, (second + words[i]) ^ first)
    return first, second


def _feistel(xp, value, bits: int, keys):
    """A keyed bijection of [0, 2**bits): each half in turn takes a function of the other."""
    low_bits = (bits + 1) // 2
    low_mask = xp.uint32((1 << low_bits) - 1)
    high_mask = xp.uint32((1 << (bits - low_bits)) - 1)
    low, high = value & low_mask, (value >> xp.uint32(low_bits)) & high_mask
    for i in range(_ROUNDS):
        tweak = xp.uint32((i * _WEYL) % 2**32)
        if i % 2 == 0:
            low = low ^ (_round(xp, high + tweak, keys) & low_mask)
        else:
            high = high ^ (_round(xp, low + tweak, keys) & high_mask)
    return (high << xp.uint32(low_bits)) | low


def _round(xp, value, keys):
    return _mix(xp, _mix(xp, value ^ keys[0]) + keys[1])


def _mix(xp, value):
    """Scatters every bit of a uint32 over all others: MurmurHash3's finaliser (Appleby)."""
    value = (value ^ (value >> xp.uint32(16))) * xp.uint32(0x85EBCA6B)
    value = (value ^ (value >> xp.uint32(13))) * xp.uint32(0xC2B2AE35)
    return value ^ (value >> xp.uint32(16))


def _namespace(*arrays):
    """jax.numpy if any of the arrays is JAX's, traced or not; else numpy."""
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def _check_count(name: str, count: int) -> None:
    if not 0 < count < _LIMIT:
        raise UsageError(f"{name} is {count}; expected 1 to {_LIMIT - 1}")
