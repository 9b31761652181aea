"""Layers beyond Flax's own: resampling convolutions, spectral normalisation."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import ScopeParamShapeError
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.networks.apply import apply, init
from jaxgan.networks.layers import (
    Conv,
    ConvDownsample,
    Dense,
    UpsampleConv,
    downsample,
    upsample,
)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@settings(max_examples=10)
@given(
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    half=st.integers(0, 2),
    inputs=st.integers(1, 3),
)
def test_resampling_convolutions_equal_their_two_parts(height, width, half, inputs):
    k = 2 * half + 1
    plain = nn.Conv(4, (k, k))
    small, large = normal(0, 2, height, width, inputs), normal(1, 2, 2 * height, 2 * width, inputs)
    params = plain.init(jax.random.key(2), small)
    up = UpsampleConv(4, kernel_size=(k, k)).apply(params, small)
    chex.assert_trees_all_close(up, plain.apply(params, upsample(small)), atol=1e-5)
    down = ConvDownsample(4, kernel_size=(k, k)).apply(params, large)
    chex.assert_trees_all_close(down, downsample(plain.apply(params, large)), atol=1e-5)


def test_resampling_inverts_and_averages():
    x = normal(0, 2, 3, 4, 5)
    chex.assert_trees_all_close(downsample(upsample(x)), x, rtol=1e-6)
    rows = jnp.arange(16.0).reshape(1, 4, 4, 1)
    chex.assert_trees_all_equal(downsample(rows)[0, :, :, 0], jnp.array([[2.5, 4.5], [10.5, 12.5]]))


LAYERS = {
    "dense": (Dense(6, spectral_norm=True), (3, 5)),
    "conv": (Conv(6, (3, 3), spectral_norm=True), (2, 4, 4, 5)),
    "down": (ConvDownsample(6, spectral_norm=True), (2, 4, 4, 5)),
}


def start(name: str):
    """A layer with spectral norm in its wrapping, images or vectors for it, and its first state."""
    layer, shape = LAYERS[name]
    wrap, x = Wrapped(layer), normal(0, *shape)
    return wrap, x, *init(wrap, jax.random.key(0), x)


@pytest.mark.parametrize("name", LAYERS)
def test_spectral_norm_is_the_largest_singular_value(name):
    """After many passes the kernel in use has norm 1; the vectors change only in training."""
    wrap, x, params, variables = start(name)
    kernel = np.asarray(params["layer"]["kernel"]).reshape(-1, 6)
    params = jax.tree.map(lambda p: 3 * p, params)
    for _ in range(60):
        _, variables, _ = apply(wrap, params, variables, x, train=True)
    y, after, _ = apply(wrap, params, variables, x, train=False)
    chex.assert_trees_all_equal(variables, after)
    layer = LAYERS[name][0]
    free = type(layer)(**{**vars_of(layer), "spectral_norm": False})
    sigma = np.linalg.norm(kernel, 2)
    exact = {"layer": params["layer"] | {"kernel": params["layer"]["kernel"] / (3 * sigma)}}
    chex.assert_trees_all_close(y, apply(Wrapped(free), exact, {}, x, train=False)[0], rtol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_spectral_norm_of_an_averaged_vector(name):
    """The average of unit vectors is shorter than one, and sigma is that of its direction."""
    wrap, x, params, variables = start(name)
    shorter = jax.tree.map(lambda v: 0.3 * v, variables)
    for train in (False, True):
        y, whole, _ = apply(wrap, params, variables, x, train=train)
        again, after, _ = apply(wrap, params, shorter, x, train=train)
        chex.assert_trees_all_close(again, y, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(after["spectral"], whole["spectral"], rtol=1e-5)


def test_one_round_of_power_iteration_a_pass_and_its_gradient():
    """Against algorithm 1 by hand; the gradient sees sigma as u^T W v with u and v constant."""
    layer = Wrapped(Dense(3, use_bias=False, spectral_norm=True))
    x = normal(1, 2, 4)
    params, variables = init(layer, jax.random.key(0), x)
    w, v = params["layer"]["kernel"], variables["spectral"]["layer"]["right"]
    chex.assert_trees_all_close(jnp.linalg.norm(v), 1.0, rtol=1e-6)
    u = w @ v / jnp.linalg.norm(w @ v)
    new = u @ w / jnp.linalg.norm(u @ w)
    y, changed, _ = apply(layer, params, variables, x, train=True)
    chex.assert_trees_all_close(changed["spectral"]["layer"]["right"], new, rtol=1e-5)
    chex.assert_trees_all_close(y, x @ w / (u @ w @ new), rtol=1e-5)
    loss = lambda p: jnp.sum(apply(layer, p, variables, x, train=True)[0] ** 2)
    by_hand = lambda w: jnp.sum((x @ w / (u @ w @ new)) ** 2)
    grads = jax.grad(loss)(params)["layer"]["kernel"]
    chex.assert_trees_all_close(grads, jax.grad(by_hand)(w), rtol=1e-4, atol=1e-5)


def test_spectral_norm_equals_torch():
    torch = pytest.importorskip("torch", reason="the extra parity has it")
    x, w = normal(1, 2, 4), normal(2, 4, 3)
    layer = Wrapped(Dense(3, use_bias=False, spectral_norm=True))
    _, variables = init(layer, jax.random.key(0), x)
    reference = torch.nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        reference.weight.copy_(torch.from_numpy(np.array(w.T)))
    reference = torch.nn.utils.spectral_norm(reference)
    start = np.array(variables["spectral"]["layer"]["right"])
    reference.weight_u.copy_(torch.from_numpy(start))
    for _ in range(3):
        y, variables, _ = apply(layer, {"layer": {"kernel": w}}, variables, x, train=True)
        expected = reference(torch.from_numpy(np.array(x))).detach().numpy()
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)


class Wrapped(nn.Module):
    """A layer as a network, so that `apply` runs it as it runs networks."""

    layer: nn.Module

    def __call__(self, x, *, train):
        return self.layer(x)


def vars_of(layer):
    return {n: getattr(layer, n) for n in layer.__dataclass_fields__ if n not in ("parent", "name")}


def test_how_a_parameter_began_is_not_traced_where_it_is_used():
    traced = []

    def ones(key, shape, dtype):
        traced.append(shape)
        return jnp.ones(shape, dtype)

    x = normal(0, 2, 3)
    variables = Dense(4, kernel_init=ones).init(jax.random.key(0), x)
    assert traced == [(3, 4)]
    Dense(4, kernel_init=ones).apply(variables, x)
    assert traced == [(3, 4)]
    with pytest.raises(ScopeParamShapeError, match="kernel"):
        Dense(5, kernel_init=ones).apply(variables, x)
