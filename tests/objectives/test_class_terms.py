"""AC-GAN and D2D-CE by hand, in float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.objectives.class_terms import acgan_disc, acgan_gen, d2d_ce_disc, data_to_data

LABELS = jnp.array([0, 2, 1, 2, 0])


def cross_entropy(logits, labels):
    p = np.exp(np.asarray(logits, np.float64))
    return -np.log(p[np.arange(len(p)), labels] / p.sum(1))


def test_acgan_is_the_cross_entropy_of_the_classes():
    real, fake = 3 * jax.random.normal(jax.random.key(0), (2, 5, 3))
    of_real, of_fake = cross_entropy(real, LABELS), cross_entropy(fake, LABELS)
    np.testing.assert_allclose(acgan_disc(real, fake, LABELS), of_real + of_fake, rtol=1e-5)
    alone = acgan_disc(real, fake, LABELS, fake_weight=0.0)
    np.testing.assert_allclose(alone, of_real, rtol=1e-5)
    np.testing.assert_allclose(acgan_gen(fake, LABELS), of_fake, rtol=1e-5)


def test_large_class_logits_do_not_overflow():
    logits = jnp.array([[1e4, 0.0], [1e4, 0.0]])
    np.testing.assert_allclose(acgan_gen(logits, jnp.array([0, 1])), [0.0, 1e4])


def unit(key, shape):
    x = jax.random.normal(key, shape)
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def d2d_by_hand(embedding, cosines, labels, m_p, m_n, temperature):
    values = []
    for i, label in enumerate(labels):
        attraction = np.exp(min(cosines[i, label] - m_p, 0) / temperature)
        repulsion = sum(
            np.exp(max(embedding[i] @ embedding[j] - m_n, 0) / temperature)
            for j in range(len(labels))
            if labels[j] != label
        )
        values.append(-np.log(attraction / (attraction + repulsion)))
    return values


@pytest.mark.parametrize("m_p, m_n, temperature", [(0.98, 0.02, 0.5), (0.2, -0.3, 0.1)])
def test_d2d_ce_is_that_of_the_paper(m_p, m_n, temperature):
    embedding, proxies = unit(jax.random.key(0), (5, 4)), unit(jax.random.key(1), (3, 4))
    options = {"m_p": m_p, "m_n": m_n, "temperature": temperature}
    cosines = embedding @ proxies.T
    expected = d2d_by_hand(
        np.asarray(embedding, np.float64), np.asarray(cosines), LABELS, **options
    )
    found = d2d_ce_disc(embedding, cosines, LABELS, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_batch_of_one_class_has_nothing_to_tell_apart():
    embedding = unit(jax.random.key(0), (5, 4))
    one = jnp.zeros(5, jnp.int32)

    def loss(embedding):
        options = {"m_p": 0.98, "m_n": 0.02, "temperature": 0.5}
        return data_to_data(embedding, embedding[:, :3], one, **options).sum()

    value, gradient = jax.value_and_grad(loss)(embedding)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


def test_easy_examples_have_no_gradient():
    """Beyond both margins: at the class's own vector, opposite to the other class."""
    embedding = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    cosines = jnp.array([[1.0, -1.0], [-1.0, 1.0]])
    loss = lambda e, c: d2d_ce_disc(e, c, jnp.array([0, 1])).sum()
    for gradient in jax.grad(loss, argnums=(0, 1))(embedding, cosines):
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("labels", [jnp.zeros((5, 2)), jnp.zeros(5), jnp.zeros((5, 1), jnp.int32)])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match="one class for each image"):
        acgan_gen(jnp.zeros((5, 3)), labels)
