"""Terms of discriminators that also tell classes (terms.py): AC-GAN and ReACGAN.

Both players want them small: the discriminator learns the classes of reals, and the generator
makes fakes that it recognises as what they were to be.
"""

import chex
import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, log_softmax, logsumexp, relu

from jaxgan.objectives.precision import at_least_float32


def cross_entropy(class_logits: jax.Array, labels: jax.Array) -> jax.Array:
    """-log softmax(class_logits)[labels]: [B, K], int [B] -> [B].

    Labels may be float [B, K] in [0, 1] instead, where an image has several classes: each is then a
    question of its own, -y log sigmoid(class_logits) - (1 - y) log sigmoid(-class_logits), summed.
    """
    class_logits = at_least_float32(class_logits)
    if labels.shape == class_logits.shape:
        yes, no = log_sigmoid(class_logits), log_sigmoid(-class_logits)
        return -jnp.sum(labels * yes + (1 - labels) * no, axis=1)
    _require_classes(labels)
    log_p = log_softmax(class_logits)
    return -jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]


def acgan_disc(real_class_logits, fake_class_logits, labels, *, fake_weight: float = 1.0):
    """The cross entropy of reals and of fakes. Odena et al. 2017, eq. 3.

    fake_weight: 0 leaves the fakes out, as most later implementations do.
    """
    of_fakes = cross_entropy(fake_class_logits, labels)
    return cross_entropy(real_class_logits, labels) + fake_weight * of_fakes


def acgan_gen(fake_class_logits, labels):
    """The cross entropy of fakes. Odena et al. 2017, eq. 3."""
    return cross_entropy(fake_class_logits, labels)


def data_to_data(
    embedding: jax.Array,
    class_cosines: jax.Array,
    labels: jax.Array,
    *,
    m_p: float,
    m_n: float,
    temperature: float,
) -> jax.Array:
    """The data-to-data cross entropy, [B]. Kang et al. 2021, sec. 3.

        -log( p_i / (p_i + sum_j exp(relu(f_i . f_j - m_n) / t)) ),  j: those of another class
        p_i = exp(min(f_i . v_{y_i} - m_p, 0) / t)

    with embeddings f_i and proxies v of the classes, all unit vectors, and t the temperature.
    Beyond the margins easy positives and easy negatives have no gradient.

    embedding: unit vectors [B, E]. class_cosines: f_i . v_k, [B, K]. labels: int [B].
    """
    _require_classes(labels)
    embedding, class_cosines = at_least_float32(embedding), at_least_float32(class_cosines)
    chex.assert_rank([embedding, class_cosines], 2)
    own = jnp.take_along_axis(class_cosines, labels[:, None], axis=1)[:, 0]
    attraction = jnp.minimum(own - m_p, 0.0) / temperature
    repulsion = relu(embedding @ embedding.T - m_n) / temperature
    others = labels[:, None] != labels[None, :]
    terms = jnp.concatenate([attraction[:, None], jnp.where(others, repulsion, -jnp.inf)], axis=1)
    return logsumexp(terms, axis=1) - attraction


def d2d_ce_disc(
    real_embedding,
    real_class_cosines,
    labels,
    *,
    m_p: float = 0.98,
    m_n: float = 0.02,
    temperature: float = 0.5,
):
    """`data_to_data` of reals. The weight is lambda of Kang et al. 2021, 0.5 for CIFAR-10."""
    return data_to_data(
        real_embedding, real_class_cosines, labels, m_p=m_p, m_n=m_n, temperature=temperature
    )


def d2d_ce_gen(
    fake_embedding,
    fake_class_cosines,
    labels,
    *,
    m_p: float = 0.98,
    m_n: float = 0.02,
    temperature: float = 0.5,
):
    """`data_to_data` of fakes."""
    return data_to_data(
        fake_embedding, fake_class_cosines, labels, m_p=m_p, m_n=m_n, temperature=temperature
    )


def _require_classes(labels: jax.Array) -> None:
    if labels.ndim != 1 or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            "this term needs one class for each image, integers [B]; "
            f"got labels {labels.dtype}{list(labels.shape)}"
        )
