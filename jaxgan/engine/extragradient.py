"""The extragradient method (Korpelevich 1976; for GANs Gidel et al. 2019)."""

from collections.abc import Mapping

import jax

from jaxgan.engine.averaging import Ema
from jaxgan.engine.simultaneous import at_once, descend_both, joint_gradient
from jaxgan.engine.step import Batch, Game, Metrics, Optimizer, TrainState, TrainStep

UPDATES = 2  # of each optimizer in a step


def make_extragradient_step(
    game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0
) -> TrainStep:
    """Both players look one update ahead and take, from where they were, the gradient there.

    Gidel et al. 2019, algorithms 2 and 4: extrapolation and update are both updates of the player's
    optimizer, so that Adam's moments see two gradients in a step, and its count moves by two. The
    two gradients are of the same data and latents, which for stochastic games bounds the variance
    better than drawing anew does (Mishchenko et al. 2020). What losses leave behind besides, such
    as batch statistics, is that of the second alone.
    """

    def move(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        grads, _, _ = joint_gradient(game, state, batch, key)
        ahead = descend_both(state, optimizers, grads)
        grads, after, metrics = joint_gradient(game, ahead, batch, key)
        return descend_both(after.replace(params=state.params), optimizers, grads), metrics

    return at_once(game, optimizers, move, ema=ema, updates=UPDATES)
