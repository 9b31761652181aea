"""Consensus optimization (Mescheder et al. 2017, "The Numerics of GANs")."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxgan.engine.averaging import Ema
from jaxgan.engine.simultaneous import at_once, descend_both, joint_gradient
from jaxgan.engine.step import Batch, Game, Metrics, Optimizer, TrainState, TrainStep


def make_consensus_step(
    game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0, gamma: float = 10.0
) -> TrainStep:
    """Both losses get `gamma / 2 * ||v||^2`, v the joint gradient of the game; simultaneous.

    Mescheder et al. 2017, algorithm 2: the players move along v + gamma * J^T v, J the Jacobian of
    v. The authors train with gamma 10, RMSProp and a rate of 1e-4. The metric `consensus` of a
    player is its own part of ||v||^2 / 2; `loss` is what it was without the regularizer.

    Raises:
      ValueError: gamma is negative.
    """
    if gamma < 0:
        raise ValueError(f"method.gamma must not be negative; got {gamma}")

    def move(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        def field(params):
            v, left, metrics = joint_gradient(game, state.replace(params=params), batch, key)
            return v, (left, metrics)

        v, pullback, (left, metrics) = jax.vjp(field, state.params, has_aux=True)
        (regularizer,) = pullback(v)  # J^T v, the gradient of ||v||^2 / 2
        grads = jax.tree.map(lambda own, common: own + gamma * common, v, regularizer)
        metrics |= {f"{player}/consensus": half_square(part) for player, part in v.items()}
        return descend_both(left.replace(params=state.params), optimizers, grads), metrics

    return at_once(game, optimizers, move, ema=ema)


def half_square(tree) -> jax.Array:
    """||tree||^2 / 2 over all leaves."""
    return 0.5 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))
