"""Gradient penalties and other terms of images, logits and features: see terms.py.

A gradient penalty differentiates the *sum* of the critic's logits. That is the gradient of each
example only where the discriminator does not mix examples: with batch normalization or a minibatch
standard deviation every logit depends on every image, and the "per-example" norms also hold the
cross terms. Use layer normalization, or none, where the norm must mean what it says.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from jaxgan.objectives.precision import at_least_float32

Critic = Callable[[jax.Array], jax.Array]


def squared_gradient_norm(critic: Critic, images: jax.Array) -> jax.Array:
    """||dD/dx||^2 of each image, `[B]`, in float32 at least; see the module on mixed examples."""
    logits, pullback = jax.vjp(critic, images)
    chex.assert_shape(logits, images.shape[:1], custom_message="critic(images) must be [B]")
    (gradient,) = pullback(jnp.ones_like(logits))
    return jnp.sum(at_least_float32(gradient) ** 2, axis=tuple(range(1, gradient.ndim)))


def gradient_norm(critic: Critic, images: jax.Array) -> jax.Array:
    """||dD/dx|| of each image, `[B]`, with derivative 0, not infinity, where the norm is 0."""
    squared = squared_gradient_norm(critic, images)
    # Both branches of a `where` are differentiated, so the root itself must never see the 0.
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def interpolate(key: jax.Array, real: jax.Array, fake: jax.Array) -> jax.Array:
    """A uniformly drawn point on the segment between each real and its fake, `[B, ...]`."""
    chex.assert_equal_shape([real, fake], custom_message="real and fake must have one shape")
    return real + _uniform_per_example(key, real) * (fake - real)


def perturb(key: jax.Array, real: jax.Array, scale: float) -> jax.Array:
    """real + a * scale * std(real) * u: u ~ U(0, 1) per value, a ~ U(0, 1) per example, `[B, ...]`.

    The standard deviation is one number, over all values of the batch.
    """
    key_noise, key_length = jax.random.split(key)
    noise = jax.random.uniform(key_noise, real.shape, real.dtype)
    return real + _uniform_per_example(key_length, real) * (scale * jnp.std(real) * noise)


def _uniform_per_example(key, images):
    """U(0, 1) of shape [B, 1, ..., 1], to be broadcast over an example's values."""
    return jax.random.uniform(key, (len(images),) + (1,) * (images.ndim - 1), images.dtype)


def r1(critic, real):
    """||dD/dx||^2 / 2 on reals. The weight is gamma of Mescheder et al. 2018, eq. 9."""
    return 0.5 * squared_gradient_norm(critic, real)


def r2(critic, fake):
    """||dD/dx||^2 / 2 on fakes. The weight is gamma of Mescheder et al. 2018, eq. 10."""
    return 0.5 * squared_gradient_norm(critic, fake)


def wgan_gp(critic, real, fake, key, *, target: float = 1.0):
    """(||dD/dx|| - target)^2 between reals and fakes. Gulrajani et al. 2017, eq. 3; weight lambda.

    Where the gradient vanishes the value is target^2 and its derivative is taken as 0.
    """
    return (gradient_norm(critic, interpolate(key, real, fake)) - target) ** 2


def zero_centred_gp(critic, real, fake, key):
    """||dD/dx||^2 between reals and fakes, no half. Thanh-Tung et al. 2019; weight lambda.

    D is the logit here, as in every penalty; the authors' program for toy data differentiates the
    probability instead, whose gradient is smaller by the factor p (1 - p).
    """
    return squared_gradient_norm(critic, interpolate(key, real, fake))


def dragan(critic, real, key, *, target: float = 1.0, scale: float = 0.5):
    """(||dD/dx|| - target)^2 around reals. Kodali et al. 2017; weight lambda.

    The neighbourhood is `perturb`'s: uniform noise of up to `scale` standard deviations of this
    batch, the form that public implementations use; the paper's text has Gaussian noise instead.
    """
    return (gradient_norm(critic, perturb(key, real, scale)) - target) ** 2


def feature_matching(real_features, fake_features):
    """||mean f(x) - mean f(G(z))||^2 for the generator. Salimans et al. 2016, sec. 3.1.

    One number for the batch, repeated to `[B]` so that its mean is itself. The features of the
    reals are constants. Distances are summed, not averaged, over features.
    """
    chex.assert_equal_shape(
        [real_features[0], fake_features[0]],
        custom_message="real_features and fake_features must agree beyond the batch axis",
    )
    target = jax.lax.stop_gradient(at_least_float32(real_features).mean(axis=0))
    distance = jnp.sum((at_least_float32(fake_features).mean(axis=0) - target) ** 2)
    return jnp.broadcast_to(distance, fake_features.shape[:1])


def drift(real_logits):
    """D(x)^2: keeps a critic's scores near 0. Karras et al. 2018, app. A.1; weight epsilon_drift.

    A Wasserstein loss leaves the critic's offset free, and this pins it down; 0.001 in the paper.
    """
    return at_least_float32(real_logits) ** 2


def label_smoothing(real_logits):
    """r = D(x): with weight s, the target of reals becomes 1 - s. Salimans et al. 2016, sec. 3.4.

    For the cross entropy (minimax, non_saturating) this is one-sided smoothing exactly:

        softplus(r) - softplus(-r) = r, hence
        (1 - s) softplus(-r) + s softplus(r) = softplus(-r) + s r

    and for lsgan up to a constant: (r - (1 - s))^2 / 2 = (r - 1)^2 / 2 + s r + s^2 / 2 - s.
    For the other losses it has no such meaning.
    """
    return at_least_float32(real_logits)
