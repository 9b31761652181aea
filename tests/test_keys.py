"""Keys that compile quickly draw what JAX's own draw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.keys import LARGEST, fold, quick_to_compile

KEY = fold(jax.random.key(3), "init")


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (1025,), (LARGEST + 7,)])
@pytest.mark.parametrize(
    "draw",
    [jax.random.normal, jax.random.uniform, jax.random.bits,
     lambda key, shape: jax.random.bits(key, shape, jnp.uint8)],
    ids=["normal", "uniform", "bits", "bytes"],
)  # fmt: skip
def test_draws_are_the_same(draw, shape):
    np.testing.assert_array_equal(draw(quick_to_compile(KEY), shape), draw(KEY, shape))


def test_so_are_those_of_folds_and_splits_and_of_many_at_once():
    many = lambda key: jax.vmap(lambda k: jax.random.normal(fold(k, "a"), (4,)))(
        jax.random.split(key, 3)
    )
    np.testing.assert_array_equal(jax.jit(many)(quick_to_compile(KEY)), many(KEY))


def test_keys_of_another_kind_stay_what_they_are():
    key = jax.random.key(0, impl="rbg")
    assert quick_to_compile(key) is key


def test_draws_of_many_shapes_share_a_program():
    def draws(key):
        return [jax.random.normal(key, (3, 3, 4, width)) for width in range(4, 12)]

    text = jax.jit(draws).lower(quick_to_compile(KEY)).as_text()
    assert text.count("stablehlo.while") == 1
