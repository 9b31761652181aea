"""Steps in which both players move at once, and what such steps share."""

from collections.abc import Callable, Mapping

import jax

from jaxgan.engine.averaging import Ema
from jaxgan.engine.step import (
    PLAYERS,
    Batch,
    Game,
    Metrics,
    Optimizer,
    TrainState,
    TrainStep,
    apply_gradients,
    disc_turn,
    end_step,
    forward,
    gen_turn,
    learning_rates,
    with_outcome,
)
from jaxgan.keys import fold

Move = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]


def make_simultaneous_step(
    game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0
) -> TrainStep:
    """Both gradients are taken at the same parameters; neither player sees the other's update.

    The analyses of GANs as vector fields (Mescheder et al. 2017) are of this step, and the programs
    of ALI and PacGAN for toy distributions train with it.
    """

    def move(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        grads, state, metrics = joint_gradient(game, state, batch, key)
        return descend_both(state, optimizers, grads), metrics

    return at_once(game, optimizers, move, ema=ema)


def at_once(
    game: Game,
    optimizers: Mapping[str, Optimizer],
    move: Move,
    *,
    ema: Ema,
    updates: int = 1,
) -> TrainStep:
    """A step of one common move. updates: of each optimizer in it.

    Raises:
      ValueError: the schedule is not one turn each, which is all that moving at once can mean.
    """
    if game.schedule != ("disc", "gen"):
        raise ValueError(
            "this method moves both players at once; set train.disc_turns=1 and train.gen_turns=1 "
            "(or method.name='alternating')"
        )

    def train_step(state: TrainState, batches: Batch) -> tuple[TrainState, Metrics]:
        batch = {name: array[0] for name, array in batches.items()}
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
        rates = learning_rates(optimizers, dict.fromkeys(PLAYERS, updates * state.step))
        state, metrics = move(state, batch, key)
        return end_step(state, ema=ema), metrics | rates

    return train_step


def joint_gradient(game: Game, state: TrainState, batch: Batch, key: jax.Array):
    """The gradients of both losses by player, the state that they leave behind, and the metrics.

    The vector field v of the game: each loss is differentiated by its own player's parameters.
    """
    played = forward(game, state, batch, fold(key, "generate"))
    grads, metrics = {}, {}
    for player, turn in (("disc", disc_turn), ("gen", gen_turn)):
        grads[player], outcome = turn(game, state, played, batch, fold(key, player))
        state = with_outcome(state, player, outcome)
        metrics |= {f"{player}/{name}": value for name, value in outcome.metrics.items()}
    return grads, state, metrics


def descend_both(
    state: TrainState, optimizers: Mapping[str, Optimizer], grads: Mapping
) -> TrainState:
    for player in PLAYERS:
        state = apply_gradients(state, player, optimizers[player], grads[player])
    return state
