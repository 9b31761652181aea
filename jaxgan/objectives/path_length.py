"""Path length regularisation (Karras et al. 2020, sec. 3.2), a term (terms.py) with a memory.

It holds steps of one length in w to changes of one length in the image, wherever w is and wherever
the step goes.
"""

import jax
import jax.numpy as jnp


def first_mean() -> jax.Array:
    """The mean length before training."""
    return jnp.zeros(())


def path_length(styled, fake_logits, key, memory, *, shrink: int = 2, decay: float = 0.01):
    """(||J_w^T y|| - a)^2 of each image, and the next a. Karras et al. 2020, eq. 4.

    J_w = dg/dw of the images g(w), y ~ N(0, I) over the root of an image's pixels, and a the mean
    of the lengths so far, which moves by `decay` towards this batch's. Where layers have styles of
    their own, w is each one's, and squared lengths are averaged over layers. `shrink`: so many
    times fewer images than in the batch. The weight is 2 in the paper, at every fourth step.

    Raises:
      ValueError: `shrink` is less than 1.
    """
    if shrink < 1:
        raise ValueError(f"terms.path_length.shrink must be at least 1; got {shrink}")
    styles, draw = styled(max(1, len(fake_logits) // shrink))
    images, pullback = jax.vjp(draw, styles)
    pixels = images[0].size // images.shape[-1]
    y = jax.random.normal(key, images.shape, images.dtype) / pixels**0.5
    (slopes,) = pullback(y)
    squared = jnp.mean(jnp.sum(slopes.astype(jnp.float32) ** 2, axis=-1), axis=-1)
    lengths = jnp.sqrt(squared + 1e-12)  # with a derivative where nothing depends on w
    mean = memory + decay * (jax.lax.stop_gradient(jnp.mean(lengths)) - memory)
    return (lengths - mean) ** 2, mean
