"""Unrolled GANs (Metz et al. 2017)."""

from collections.abc import Mapping
from typing import Any

import jax

from jaxgan.engine.averaging import Ema
from jaxgan.engine.step import (
    Batch,
    Forward,
    Game,
    Optimizer,
    TrainState,
    TrainStep,
    apply_gradients,
    disc_gradient,
    disc_turn,
    in_turns,
    through_fakes,
    with_outcome,
)
from jaxgan.keys import fold


def make_unrolled_step(
    game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0, unroll: int = 5
) -> TrainStep:
    """The step in turns, but the generator faces the discriminator of `unroll` updates later.

    Metz et al. 2017, eq. 10: the generator's gradient goes through those updates too, optimizer and
    all, and so sees how the discriminator will answer to its fakes. They are made against the same
    fakes and data, and then forgotten; only the discriminator's own turns change it. With
    `unroll=0` this is `make_train_step` to the bit.

    With x the fakes, T_K(x) the discriminator's parameters after its updates against them, L_G and
    L_D the whole losses of the players, terms included, and sg for what has no gradient, the
    generator minimises

        L_G(x, sg T_K) - L_D(sg x, T_K(x)),

    whose gradient is that of eq. 10 where the players have one value between them (minimax), and
    which any other loss can have. L_G in the second place would not do: it may lack what the
    discriminator makes of real images (only the relativistic losses have it), and then the
    discriminator's best answer is still rewarded for calling everything real.

    Memory and time of the generator's turn grow with `unroll`.

    Raises:
      ValueError: `unroll` is negative.
    """
    if unroll < 0:
        raise ValueError(f"method.unroll must not be negative; got {unroll}")

    def look_ahead(fakes: Any, state: TrainState, batch: Batch, key: jax.Array) -> TrainState:
        """The state as the discriminator's updates would make it, as a function of the fakes."""
        for update in range(unroll):
            turn_key = jax.random.fold_in(key, update)
            grads, outcome = disc_gradient(game, state, fakes, batch, turn_key)
            state = apply_gradients(state, "disc", optimizers["disc"], grads)
            state = with_outcome(state, "disc", outcome)
        return state

    def gen_turn(game: Game, state: TrainState, played: Forward, batch: Batch, key: jax.Array):
        def loss(fakes):
            ahead = look_ahead(fakes, state, batch, fold(key, "unroll"))
            ahead = ahead.replace(extra=state.extra)
            still, shown = jax.lax.stop_gradient((ahead, fakes))
            value, outcome = game.gen_loss(fakes, still.params["disc"], still, batch, key)
            answer, _ = game.disc_loss(ahead.params["disc"], shown, ahead, batch, key)
            return value - answer, outcome

        return through_fakes(played, loss)

    return in_turns(game, optimizers, {"disc": disc_turn, "gen": gen_turn}, ema=ema)
