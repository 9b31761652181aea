"""LeCam, orthogonal regularisation and top-k training, by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxgan.objectives.lecam import first_averages, lecam, new_averages
from jaxgan.objectives.orthogonal import orthogonal
from jaxgan.objectives.top_k import top_k_count, top_k_mean

few = settings(max_examples=25, deadline=None)


def test_lecam_by_hand_over_several_steps():
    start, decay = 2, 0.75
    averages, by_hand = first_averages(), {"real": 0.0, "fake": 0.0}
    for step, logits in enumerate(jax.random.normal(jax.random.key(0), (6, 2, 5))):
        real, fake = np.asarray(logits, np.float64)
        keep = decay if step >= start else 0.0
        by_hand["real"] = keep * by_hand["real"] + (1 - keep) * real.mean()
        by_hand["fake"] = keep * by_hand["fake"] + (1 - keep) * fake.mean()
        averages = new_averages(averages, *logits, jnp.int32(step), decay=decay, start=start)
        chex.assert_trees_all_close(averages, by_hand, rtol=1e-5, atol=1e-6)
        plain = (real - by_hand["fake"]) ** 2 + (fake - by_hand["real"]) ** 2
        found = lecam(averages, *logits, jnp.int32(step), start=start, hinge=False)
        np.testing.assert_allclose(found, plain * (step >= start), rtol=1e-4, atol=1e-6)
        hinged = np.maximum(real - by_hand["fake"], 0) ** 2
        hinged += np.maximum(by_hand["real"] - fake, 0) ** 2
        found = lecam(averages, *logits, jnp.int32(step), start=start)
        np.testing.assert_allclose(found, hinged * (step >= start), rtol=1e-4, atol=1e-6)


def test_lecams_averages_are_constants():
    def value(logits):
        averages = new_averages(first_averages(), logits, -logits, 3, start=0)
        return sum(averages.values())

    chex.assert_trees_all_equal(jax.grad(value)(jnp.ones(4)), jnp.zeros(4))


def filters(kernel):
    """The filters of a kernel, each as a flat vector."""
    return [np.asarray(kernel[..., o], np.float64).ravel() for o in range(kernel.shape[-1])]


def test_orthogonal_is_the_sum_of_squared_products_of_different_filters():
    keys = jax.random.split(jax.random.key(0), 3)
    params = {
        "Conv_0": {"kernel": jax.random.normal(keys[0], (3, 3, 2, 5)), "bias": jnp.ones(5)},
        "block": {"Dense_0": {"kernel": jax.random.normal(keys[1], (7, 4))}},
        "Embed_0": {"embedding": jax.random.normal(keys[2], (10, 4))},
    }
    expected = 0.0
    for kernel in (params["Conv_0"]["kernel"], params["block"]["Dense_0"]["kernel"]):
        rows = filters(kernel)
        expected += sum(
            (a @ b) ** 2 for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j
        )
    np.testing.assert_allclose(orthogonal(params), expected, rtol=1e-5)


def test_orthogonal_filters_of_any_norm_pay_nothing():
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 5)))
    kernel = jnp.asarray(q * [0.1, 1, 2, 3, 10], jnp.float32).reshape(3, 2, 2, 5)
    value, gradient = jax.value_and_grad(orthogonal)({"kernel": kernel})
    np.testing.assert_allclose(value, 0.0, atol=1e-9)
    np.testing.assert_allclose(gradient["kernel"], 0.0, atol=1e-3)


def test_orthogonal_has_the_gradient_of_its_definition():
    """4 W (W^T W * (1 - I))."""
    w = jax.random.normal(jax.random.key(0), (6, 3))
    gram = np.asarray(w.T @ w)
    expected = 4 * np.asarray(w) @ (gram - np.diag(np.diag(gram)))
    np.testing.assert_allclose(jax.grad(orthogonal)({"kernel": w})["kernel"], expected, rtol=1e-4)


# XLA takes subnormal numbers for 0, which would make equal logits of different ones.
NUMBERS = st.floats(-5, 5, width=32, allow_subnormal=False)
LOGITS = hnp.arrays(np.float32, 8, elements=NUMBERS, unique=True)


@few
@given(logits=LOGITS, least=st.sampled_from([0.125, 0.5, 1.0]))
def test_top_k_is_the_mean_over_the_best_fakes(logits, least):
    values = np.arange(8.0, dtype=np.float32)
    k = int(8 * least)
    best = np.argsort(-logits)[:k]
    found = top_k_mean(values, logits, 10**6, least=least, decay=0.5, every=1)
    np.testing.assert_allclose(found, values[best].mean(), rtol=1e-6)


def test_top_k_gives_the_other_fakes_no_gradient():
    logits = jnp.array([0.3, -1.0, 2.0, 0.1])
    loss = lambda f: top_k_mean(jax.nn.softplus(-f), f, 0, least=0.5, decay=0.5, every=1)
    assert jnp.all(jax.grad(loss)(logits) != 0)  # at step 0 k is the batch
    loss = lambda f: top_k_mean(jax.nn.softplus(-f), f, 1, least=0.5, decay=0.5, every=1)
    np.testing.assert_array_equal(jax.grad(loss)(logits) != 0, [True, False, True, False])


@pytest.mark.parametrize("batch", [4, 64, 100])
def test_k_falls_by_its_decay_to_its_least(batch):
    steps = np.arange(0, 2000, 7)
    found = [int(top_k_count(s, batch, least=0.5, decay=0.99, every=20)) for s in steps]
    expected = [max(1, int(max(0.5, 0.99 ** (s // 20)) * batch + 1e-4)) for s in steps]
    assert found == expected
    assert found[0] == batch and found[-1] == batch // 2
