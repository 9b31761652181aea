"""Self-attention over the positions of an image (SAGAN, Zhang et al. 2019)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.networks.layers import Dense
from jaxgan.networks.param import param


class SelfAttention(nn.Module):
    """x + gamma * o(x), [B, H, W, C], with a learned gate gamma that is 0 at first (eq. 1 to 3).

    With 1x1 convolutions theta and phi to C / 8 channels, g to C / 2 and o back to C, and with the
    positions j of phi and g pooled to the greatest of every 2x2, as in the authors' program:

        beta_ij = softmax over j of theta(x_i) . phi(x_j)
        o_i = o(sum_j beta_ij g(x_j))
    """

    spectral_norm: bool
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, height, width, channels = x.shape

        def linear(name: str, features: int) -> Dense:
            return Dense(
                features,
                use_bias=False,
                spectral_norm=self.spectral_norm,
                kernel_init=self.kernel_init,
                name=name,
            )

        flat = lambda x: x.reshape(batch, -1, x.shape[-1])
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        theta = flat(linear("theta", narrow)(x))
        phi = flat(_pooled(linear("phi", narrow)(x)))
        g = flat(_pooled(linear("g", half)(x)))
        scores = jnp.einsum("bic,bjc->bij", theta, phi, preferred_element_type=jnp.float32)
        beta = nn.softmax(scores, axis=-1).astype(x.dtype)
        o = linear("o", channels)(jnp.einsum("bij,bjc->bic", beta, g))
        gamma = param(self, "gamma", nn.initializers.zeros_init(), ())
        return x + gamma.astype(x.dtype) * o.reshape(x.shape)


def _pooled(x: jax.Array) -> jax.Array:
    """The greatest of every 2x2 pixels, [B, H, W, C] -> [B, H // 2, W // 2, C].

    By comparisons, whose derivatives of any order are cheap; an odd row or column is left out.
    """
    height, width = (side // 2 * 2 for side in x.shape[1:3])
    greater = lambda a, b: jnp.where(a >= b, a, b)
    rows = greater(x[:, 0:height:2], x[:, 1:height:2])
    return greater(rows[:, :, 0:width:2], rows[:, :, 1:width:2])


def check_reached(attention: tuple[int, ...], sides: list[int]) -> None:
    """Raises ValueError where attention is asked for at a resolution that no block has."""
    if unmet := [side for side in attention if side not in sides]:
        there = ", ".join(map(str, sorted(set(sides))))
        raise ValueError(
            f"attention at {', '.join(map(str, unmet))}: no block's result has that (shorter) side;"
            f" choose from {there}"
        )
