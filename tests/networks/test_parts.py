"""Labels, conditional batch norm, sides and initial kernels."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.networks.layers import Conv, Embed
from jaxgan.networks.parts import (
    INITS,
    ConditionalBatchNorm,
    LabelMap,
    LabelVector,
    ProjectedBatchNorm,
    halvings,
)

X = 2 + 3 * jax.random.normal(jax.random.key(0), (6, 2, 3, 4))
LABELS = jnp.array([0, 2, 1, 1, 2, 0])


def filled(params, seed=5):
    """Parameters of the same shapes that are nowhere 0."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return tree.unflatten(
        [jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    )


@pytest.mark.parametrize("train", [True, False])
def test_conditional_batch_norm_is_the_batch_norm_of_each_class(train):
    """One plain batch norm for each class, all over the same batch, each example from its own."""
    layer = ConditionalBatchNorm(3)
    variables = layer.init(jax.random.key(1), X, LABELS, train=True)
    fresh, _ = layer.apply(variables, X, LABELS, train=True, mutable="batch_stats")
    plain = nn.BatchNorm(use_running_average=not train, momentum=0.9)
    unscaled = nn.BatchNorm(use_running_average=False, use_scale=False, use_bias=False)
    expected, _ = unscaled.apply(
        {"batch_stats": variables["batch_stats"]["BatchNorm_0"]}, X, mutable="batch_stats"
    )
    chex.assert_trees_all_close(fresh, expected, atol=1e-5)

    params = filled(variables["params"])
    stats = {"BatchNorm_0": {"mean": jnp.arange(4.0), "var": 1 + jnp.arange(4.0)}}
    y, changed = layer.apply(
        {"params": params, "batch_stats": stats}, X, LABELS, train=train, mutable="batch_stats"
    )
    for label in range(3):
        own = {
            "scale": 1 + params["scale"]["embedding"][label],
            "bias": params["bias"]["embedding"][label],
        }
        of_class, after = plain.apply(
            {"params": own, "batch_stats": stats["BatchNorm_0"]}, X, mutable="batch_stats"
        )
        members = LABELS == label
        chex.assert_trees_all_close(y[members], of_class[members], rtol=1e-4, atol=1e-4)
        chex.assert_trees_all_close(
            changed["batch_stats"]["BatchNorm_0"], after["batch_stats"], rtol=1e-5
        )


def test_projected_batch_norm_by_one_hot_vectors_is_the_conditional_one():
    vectors = jax.nn.one_hot(LABELS, 3)
    linear = ProjectedBatchNorm(spectral_norm=False, kernel_init=nn.initializers.normal(1.0))
    variables = linear.init(jax.random.key(1), X, vectors, train=True)
    params = variables["params"]
    assert jax.tree.map(jnp.shape, params) == {n: {"kernel": (3, 4)} for n in ("scale", "bias")}
    stats = {"batch_stats": variables["batch_stats"]}
    y, _ = linear.apply(variables, X, vectors, train=True, mutable="batch_stats")
    tables = {name: {"embedding": params[name]["kernel"]} for name in params}
    by_class = ConditionalBatchNorm(3)
    expected, _ = by_class.apply(
        {"params": tables, **stats}, X, LABELS, train=True, mutable="batch_stats"
    )
    chex.assert_trees_all_close(y, expected, rtol=1e-5, atol=1e-5)


LAYERS = {
    "embed": (Embed(3, 5), ()),
    "vector": (LabelVector(3, 5), (jnp.ones((6, 2)),)),
    "map": (LabelMap(3), (X,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_labels_may_be_vectors(name):
    """One-hot vectors are labels, and what classes set is added up by their shares."""
    layer, inputs = LAYERS[name]
    variables = layer.init(jax.random.key(1), *inputs, LABELS)
    run = lambda labels: layer.apply(variables, *inputs, labels)
    chex.assert_trees_all_close(run(jax.nn.one_hot(LABELS, 3)), run(LABELS), atol=1e-6)
    shares = jnp.tile(jnp.array([[0.25, 0.0, 3.0]]), (6, 1))
    zero = run(jnp.zeros((6, 3)))
    alone = [run(jnp.full(6, label)) - zero for label in range(3)]
    chex.assert_trees_all_close(run(shares) - zero, 0.25 * alone[0] + 3 * alone[2], atol=1e-5)
    with pytest.raises(ValueError, match=r"labels of shape \(6, 2\).*\[B, 3\]"):
        run(jnp.zeros((6, 2)))


def test_embed_is_flax_embed():
    ours, theirs = Embed(3, 5), nn.Embed(3, 5, embedding_init=nn.initializers.normal(1.0))
    params = ours.init(jax.random.key(1), LABELS)
    chex.assert_trees_all_equal(params, theirs.init(jax.random.key(1), LABELS))
    chex.assert_trees_all_equal(ours.apply(params, LABELS), theirs.apply(params, LABELS))


@given(quarters=st.tuples(st.integers(1, 64), st.integers(1, 64)))
def test_sides_are_halved_while_both_can_be(quarters):
    height, width = (4 * quarter for quarter in quarters)
    n = halvings((height, width, 3), "resnet")
    small = (height >> n, width >> n)
    assert n >= 2 and (small[0] << n, small[1] << n) == (height, width)
    assert min(small) < 8 or small[0] % 2 or small[1] % 2
    assert n == halvings((width, height, 1), "resnet")


@pytest.mark.parametrize(("side", "n"), [(16, 2), (28, 2), (32, 3), (64, 4), (128, 5), (256, 6)])
def test_powers_of_two_begin_at_4(side, n):
    assert halvings((side, side, 3), "resnet") == n
    with pytest.raises(ValueError, match=f"r3gan.*multiples of 4; got {side}x{side + 2}"):
        halvings((side, side + 2, 3), "r3gan")


def test_orthogonal_kernels_are():
    """As a matrix of kernel positions and inputs times outputs."""
    for kernel_init in INITS["orthogonal"]:
        layer = Conv(5, (3, 3), kernel_init=kernel_init)
        kernel = layer.init(jax.random.key(0), jnp.zeros((1, 4, 4, 2)))["params"]["kernel"]
        matrix = kernel.reshape(-1, 5)
        chex.assert_trees_all_close(matrix.T @ matrix, jnp.eye(5), atol=1e-5)
