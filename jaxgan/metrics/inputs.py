"""What every metric asks of its input, with one clear line where it is not so."""

import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError

# An int seeds a new Generator. A RandomState is taken as it is, so that published numbers, which
# were drawn with NumPy's older generator, can be drawn again.
Rng = int | np.random.Generator | np.random.RandomState


def generator(rng: Rng) -> np.random.Generator | np.random.RandomState:
    return np.random.default_rng(rng) if isinstance(rng, int | np.integer) else rng


def matrix(name: str, values, *, least: int = 1) -> np.ndarray:
    """`values` on the host as [N, d]: float32 and float64 as they are, other numbers as float64.

    Raises UsageError, with the argument's name, where it is no matrix of finite real numbers or
    has fewer than `least` rows.
    """
    array = np.asarray(values)
    # jnp.issubdtype, not NumPy's, knows bfloat16 for a number.
    if not jnp.issubdtype(array.dtype, jnp.number) or jnp.issubdtype(
        array.dtype, jnp.complexfloating
    ):
        raise UsageError(f"{name} must hold real numbers; got {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise UsageError(f"{name} must be [samples, features]; got shape {array.shape}")
    if len(array) < least:
        raise UsageError(f"{name} has {len(array)} samples; this metric needs at least {least}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise UsageError(
            f"{name} holds NaN or infinity in {bad.sum()} of {len(array)} samples, "
            f"first in sample {bad.argmax()}"
        )
    return array


def matrices(*, least: int = 1, **named) -> list[np.ndarray]:
    """`matrix` of each, in order; UsageError where they differ in the number of features."""
    arrays = [matrix(name, values, least=least) for name, values in named.items()]
    if len({array.shape[1] for array in arrays}) > 1:
        widths = ", ".join(f"{n} {a.shape[1]}" for n, a in zip(named, arrays, strict=True))
        raise UsageError(f"all sets need the same features, from one network; got {widths}")
    return arrays


def at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name} must be at least {least}; got {value}")


def row_blocks(rows: int, size: int) -> list[slice]:
    """Slices that cut `rows` rows evenly into pieces of at most `size`."""
    edges = np.linspace(0, rows, -(-rows // size) + 1).astype(int)
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
