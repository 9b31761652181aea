"""Layers over a batch, against loops over its examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks.minibatch import MINIBATCH, MinibatchDiscrimination, MinibatchStddev
from jaxgan.networks.mlp import Discriminator


def run(layer, x):
    return layer.init_with_output(jax.random.key(0), jnp.asarray(x, jnp.float32))


@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 2, 4)])
@pytest.mark.parametrize("group_size, features", [(3, 1), (2, 2), (6, 4), (9, 1), (1, 2)])
def test_stddev_is_the_loop_over_groups(shape, group_size, features):
    x = np.random.default_rng(0).normal(size=shape)
    y, _ = run(MinibatchStddev(group_size, features), x)
    batch, channels = shape[0], shape[-1]
    groups = batch // min(group_size, batch)
    expected = np.zeros((*shape[:-1], features))
    for i in range(batch):
        group = [x[j] for j in range(batch) if j % groups == i % groups]
        width = channels // features
        for f in range(features):
            part = np.stack([member[..., f * width : (f + 1) * width] for member in group])
            expected[i, ..., f] = np.sqrt(part.var(axis=0) + 1e-8).mean()
    np.testing.assert_allclose(y, np.concatenate([x, expected], -1), rtol=1e-5, atol=1e-5)


def test_stddev_of_equal_examples_is_small_and_has_a_gradient():
    x = jnp.ones((4, 3))
    y, _ = run(MinibatchStddev(), x)
    np.testing.assert_allclose(y[:, -1], 1e-4, rtol=1e-5)
    gradient = jax.grad(lambda x: run(MinibatchStddev(), x)[0].sum())(x)
    np.testing.assert_allclose(gradient, 1.0, rtol=1e-5)


@pytest.mark.parametrize("group_size, features", [(4, 1), (3, 3)])
def test_stddev_says_what_does_not_divide(group_size, features):
    with pytest.raises(ValueError, match="must divide the batch of 6"):
        run(MinibatchStddev(group_size, features), np.zeros((6, 4)))


def test_discrimination_is_the_loop_over_pairs():
    x = np.random.default_rng(1).normal(size=(5, 2, 3))
    y, variables = run(MinibatchDiscrimination(kernels=4, dims=2), x)
    flat = x.reshape(5, 6)
    rows = (flat @ np.asarray(variables["params"]["T"]["kernel"], np.float64)).reshape(5, 4, 2)
    expected = np.zeros((5, 4))
    for i in range(5):
        for j in range(5):
            expected[i] += np.exp(-np.abs(rows[i] - rows[j]).sum(-1))
    np.testing.assert_allclose(y, np.concatenate([flat, expected], -1), rtol=1e-5)


@pytest.mark.parametrize("name", MINIBATCH)
def test_a_discriminator_tells_whether_it_mixes_examples(name):
    disc = Discriminator(image_shape=(2,), hidden=(4,), minibatch=name)
    points = jax.random.normal(jax.random.key(0), (4, 2))
    variables = disc.init(jax.random.key(1), points, train=False)
    of_others = jax.grad(
        lambda others: disc.apply(variables, points.at[1:].set(others), train=False)[0]
    )(points[1:])
    assert bool((of_others != 0).any()) == disc.mixes_examples == (name != "none")
