"""Noise on what the discriminator sees, images or points."""

import jax
import jax.numpy as jnp


def instance_noise(
    images: jax.Array,
    key: jax.Array,
    step: jax.Array | int,
    *,
    sigma: float = 0.1,
    until: int = 0,
) -> jax.Array:
    """Add N(0, sigma_t^2) to every value. Sønderby et al. 2017; Arjovsky & Bottou 2017, sec. 3.

    The noise gives reals and fakes a common support, without which a perfect discriminator exists
    and its gradients vanish. `sigma` is in units of the images (whose range [-1, 1] is 2 wide) and
    falls linearly to 0 at step `until`: sigma_t = sigma * max(0, 1 - step / until). With `until=0`
    it stays as it is. Raises ValueError where either is negative.
    """
    if sigma < 0 or until < 0:
        raise ValueError(f"sigma and until must be at least 0; got {sigma=}, {until=}")
    fraction = jnp.maximum(0.0, 1.0 - step / until) if until else 1.0
    noise = jax.random.normal(key, images.shape, images.dtype)
    return images + jnp.asarray(sigma * fraction, images.dtype) * noise
