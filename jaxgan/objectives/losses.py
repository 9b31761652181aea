"""Adversarial losses: `(real_logits [B], fake_logits [B]) -> [B]`, to be minimised by the player.

A loss is a pair, one function per player. `r = D(x)` are the logits of real images and
`f = D(G(z))` those of fakes; no sigmoid has been applied. Both are always given, since relativistic
losses need both, and example i of one is paired with example i of the other. Nothing is averaged
here: the game takes the mean of the `[B]` values once.

`log sigmoid(x) = -softplus(-x)` turns every logarithm of a probability into a softplus, which
neither overflows nor rounds to log(0). Logits narrower than float32 are widened first.

| name | disc | gen | source |
|---|---|---|---|
| minimax | softplus(-r) + softplus(f) | -softplus(f) | Goodfellow et al. 2014, eq. 1 |
| non_saturating | softplus(-r) + softplus(f) | softplus(-f) | Goodfellow et al. 2014, sec. 3 |
| lsgan | (r - 1)^2 / 2 + f^2 / 2 | (f - 1)^2 / 2 | Mao et al. 2017, eq. 9 |
| hinge | relu(1 - r) + relu(1 + f) | -f | Miyato et al. 2018, eq. 16 and 17 |
| wasserstein | f - r | -f | Arjovsky et al. 2017, eq. 2 |
| relativistic | softplus(f - r) | softplus(r - f) | Jolicoeur-Martineau 2018, RSGAN |
| relativistic_average | softplus(mean f - r) + softplus(f - mean r) | r, f exchanged | RaSGAN |
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.nn import relu, softplus

LossFn = Callable[[jax.Array, jax.Array], jax.Array]


class Loss(NamedTuple):
    """What each player minimises: `(real_logits [B], fake_logits [B]) -> [B]`."""

    disc: LossFn
    gen: LossFn


def _elementwise(fn: LossFn) -> LossFn:
    """Check that both logits are `[B]` with the same B, and compute in float32 at least."""

    @functools.wraps(fn)
    def checked(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
        # Without this check [B, 1] against [B] would broadcast to [B, B] and train on nonsense.
        message = "real_logits and fake_logits must both be [B]"
        chex.assert_rank([real_logits, fake_logits], 1, custom_message=message)
        chex.assert_equal_shape([real_logits, fake_logits], custom_message=message)
        dtype = jnp.promote_types(jnp.result_type(real_logits, fake_logits), jnp.float32)
        return fn(jnp.asarray(real_logits, dtype), jnp.asarray(fake_logits, dtype))

    return checked


@_elementwise
def logistic_disc(real_logits, fake_logits):
    """Goodfellow et al. 2014, eq. 1, negated: -log D(x) - log(1 - D(G(z)))."""
    return softplus(-real_logits) + softplus(fake_logits)


@_elementwise
def minimax_gen(real_logits, fake_logits):
    """Goodfellow et al. 2014, eq. 1: log(1 - D(G(z))). Saturates where D rejects every fake."""
    return -softplus(fake_logits)


@_elementwise
def non_saturating_gen(real_logits, fake_logits):
    """Goodfellow et al. 2014, sec. 3: -log D(G(z)), with gradients where minimax has none."""
    return softplus(-fake_logits)


@_elementwise
def lsgan_disc(real_logits, fake_logits):
    """Mao et al. 2017, eq. 9: squared distance to 1 for real and to 0 for fake, each halved."""
    return 0.5 * (real_logits - 1.0) ** 2 + 0.5 * fake_logits**2


@_elementwise
def lsgan_gen(real_logits, fake_logits):
    """Mao et al. 2017, eq. 9: half the squared distance of the fakes' logits to 1."""
    return 0.5 * (fake_logits - 1.0) ** 2


@_elementwise
def hinge_disc(real_logits, fake_logits):
    """Miyato et al. 2018, eq. 16: no gradient from examples beyond the margin of 1."""
    return relu(1.0 - real_logits) + relu(1.0 + fake_logits)


@_elementwise
def wasserstein_disc(real_logits, fake_logits):
    """Arjovsky et al. 2017, eq. 2, negated. Wants a Lipschitz critic: wgan_gp or clip_weights."""
    return fake_logits - real_logits


@_elementwise
def critic_gen(real_logits, fake_logits):
    """Raise the critic's score of the fakes; shared by wasserstein and hinge."""
    return -fake_logits


@_elementwise
def relativistic_disc(real_logits, fake_logits):
    """Jolicoeur-Martineau 2018 (RSGAN, also RpGAN): each real must outscore its paired fake."""
    return softplus(fake_logits - real_logits)


@_elementwise
def relativistic_gen(real_logits, fake_logits):
    """Jolicoeur-Martineau 2018 (RSGAN, also RpGAN): each fake must outscore its paired real."""
    return softplus(real_logits - fake_logits)


@_elementwise
def relativistic_average_disc(real_logits, fake_logits):
    """Jolicoeur-Martineau 2018 (RaSGAN): reals above the mean fake, fakes below the mean real.

    The means are over this batch and carry gradients, so an element depends on the whole batch.
    """
    real_margin = real_logits - fake_logits.mean()
    fake_margin = fake_logits - real_logits.mean()
    return softplus(-real_margin) + softplus(fake_margin)


@_elementwise
def relativistic_average_gen(real_logits, fake_logits):
    """Jolicoeur-Martineau 2018 (RaSGAN): the discriminator's loss with the parts exchanged."""
    return relativistic_average_disc(fake_logits, real_logits)


LOSSES: dict[str, Loss] = {
    "minimax": Loss(logistic_disc, minimax_gen),
    "non_saturating": Loss(logistic_disc, non_saturating_gen),
    "lsgan": Loss(lsgan_disc, lsgan_gen),
    "hinge": Loss(hinge_disc, critic_gen),
    "wasserstein": Loss(wasserstein_disc, critic_gen),
    "relativistic": Loss(relativistic_disc, relativistic_gen),
    "relativistic_average": Loss(relativistic_average_disc, relativistic_average_gen),
}
