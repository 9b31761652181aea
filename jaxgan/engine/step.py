"""One step of any adversarial game, as one pure function from state to state.

A game says what is played (networks, losses, a schedule of turns) and holds no arrays; the state
holds all arrays and says nothing of the game. `make_train_step` joins the two with the optimizers;
its siblings, which step in other ways, are listed in methods.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import chex
import flax.struct
import jax
import jax.numpy as jnp
import optax

from jaxgan.engine.averaging import Ema, moving_average
from jaxgan.keys import fold

Metrics = dict[str, jax.Array]
Batch = Mapping[str, jax.Array]
PLAYERS = ("disc", "gen")


@flax.struct.dataclass
class TrainState:
    """Everything that training changes. `params`, `variables`, `opt_state` are keyed by player.

    step: rounds of the schedule that were played, int32 [].
    key: the root key. It never changes: the randomness of a step is `fold_in(key, step)`.
    variables: what networks change in their forward pass, such as batch statistics.
    ema: `{"params", "variables"}` of the averaged generator, which makes samples and scores.
    extra: whatever a game adapts by itself.
    """

    step: jax.Array
    key: jax.Array
    params: Any
    variables: Any
    opt_state: Any
    ema: Any
    extra: Any


class Outcome(NamedTuple):
    """What a player's loss leaves behind besides its value."""

    metrics: Metrics  # scalars, named by term: "loss", "r1", "fake_logit"
    variables: Any  # the player's variables after its forward passes
    extra: Any  # the state's `extra` after this turn


class Game(Protocol):
    """What is played. Implementations are frozen and hashable: hyper-parameters, never arrays."""

    schedule: tuple[str, ...]  # the turns of a step, e.g. ("disc",) * 5 + ("gen",)

    def due(self, step: int) -> "Game":
        """The game of this step: without the lazy terms that are not due."""

    def init(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, Any]:
        """Initial `params` and `variables` (both by player) and `extra`."""

    def draw(self, batch: Batch, key: jax.Array) -> Batch:
        """The batch with what `generate` draws for each example, which it then takes from there."""

    def generate(self, gen_params, state, batch, key) -> tuple[Any, Any]:
        """Fakes (any pytree) and the generator's new variables."""

    def disc_loss(self, disc_params, fakes, state, batch, key) -> tuple[jax.Array, Outcome]:
        """The discriminator's loss, a scalar."""

    def gen_loss(self, fakes, disc_params, state, batch, key) -> tuple[jax.Array, Outcome]:
        """The generator's loss, a scalar, as a function of its fakes."""

    def preview(self, params, variables, batch, key) -> jax.Array:
        """A grid of samples in [-1, 1] for a person to look at, [rows, columns, H, W, C]."""


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """What a step asks of a game: `game`'s, but for what a subclass plays otherwise."""

    game: Game

    @property
    def schedule(self) -> tuple[str, ...]:
        return self.game.schedule

    def draw(self, batch: Batch, key: jax.Array) -> Batch:
        return self.game.draw(batch, key)

    def generate(self, gen_params: Any, state: TrainState, batch: Batch, key: jax.Array):
        return self.game.generate(gen_params, state, batch, key)

    def disc_loss(self, disc_params: Any, fakes: Any, state: TrainState, batch: Batch, key):
        return self.game.disc_loss(disc_params, fakes, state, batch, key)

    def gen_loss(self, fakes: Any, disc_params: Any, state: TrainState, batch: Batch, key):
        return self.game.gen_loss(fakes, disc_params, state, batch, key)


class Optimizer(NamedTuple):
    """A gradient transformation, and the learning rate that it applies at its n-th update."""

    transform: optax.GradientTransformation
    learning_rate: Callable[[chex.Numeric], chex.Numeric]


class Forward(NamedTuple):
    """A run of the generator: its fakes, its new variables, and the way back to its gradient."""

    fakes: Any
    pullback: Callable[[Any], tuple[Any]]
    variables: Any


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
# Game, state, forward run, batch, key -> the player's gradient and what its loss leaves behind.
Turn = Callable[[Game, TrainState, Forward, Batch, jax.Array], tuple[Any, Outcome]]


def init_state(
    game: Game, optimizers: Mapping[str, Optimizer], key: jax.Array, batch: Batch
) -> TrainState:
    """The state before the first step. The averaged generator starts as the generator."""
    params, variables, extra = game.init(fold(key, "init"), batch)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        params=params,
        variables=variables,
        opt_state={p: optimizers[p].transform.init(params[p]) for p in PLAYERS},
        ema=jax.tree.map(jnp.copy, {"params": params["gen"], "variables": variables["gen"]}),
        extra=extra,
    )


def draws_per_step(schedule: tuple[str, ...]) -> int:
    """Batches of data that a step uses: a fresh one for every turn of the discriminator."""
    return max(1, schedule.count("disc"))


def make_train_step(
    game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0
) -> TrainStep:
    """One round of `game.schedule` as a pure function `(state, batches) -> (state, metrics)`.

    `batches` are the data of the step with a leading axis of `draws_per_step(game.schedule)`: each
    turn of the discriminator takes the next, a turn of the generator the one before it.
    A turn changes its player's parameters, variables and optimizer state, and nothing else's.
    """
    return in_turns(game, optimizers, {"disc": disc_turn, "gen": gen_turn}, ema=ema)


def in_turns(
    game: Game, optimizers: Mapping[str, Optimizer], turns: Mapping[str, Turn], *, ema: Ema
) -> TrainStep:
    """`make_train_step` with turns of its own, by player."""
    schedule = game.schedule
    # One turn each: the generator runs forward once, its fakes serve both players, and the
    # generator's gradient goes back through that same run, after the discriminator's update.
    shared = schedule == ("disc", "gen")

    def train_step(state: TrainState, batches: Batch) -> tuple[TrainState, Metrics]:
        step, step_key = state.step, jax.random.fold_in(state.key, state.step)
        seen = {}
        for turn, player in enumerate(schedule):
            # Each turn of the discriminator has a draw of its own, the generator's has the last.
            draw = max(0, schedule[: turn + 1].count("disc") - 1)
            batch = {name: array[draw] for name, array in batches.items()}
            key = jax.random.fold_in(step_key, 0 if shared else turn)
            if turn == 0 or not shared:
                played = forward(game, state, batch, fold(key, "generate"))
            grads, outcome = turns[player](game, state, played, batch, fold(key, player))
            state = apply_gradients(state, player, optimizers[player], grads)
            state = with_outcome(state, player, outcome)
            for name, value in outcome.metrics.items():
                seen.setdefault(f"{player}/{name}", []).append(value)
        metrics = {name: jnp.mean(jnp.stack(values)) for name, values in seen.items()}
        before = {player: step * schedule.count(player) for player in PLAYERS}
        metrics |= learning_rates(optimizers, before)
        return end_step(state, ema=ema), metrics

    return train_step


def forward(game: Game, state: TrainState, batch: Batch, key: jax.Array) -> Forward:
    fakes, pullback, variables = jax.vjp(
        lambda params: game.generate(params, state, batch, key),
        state.params["gen"],
        has_aux=True,
    )
    return Forward(fakes, pullback, variables)


def disc_turn(game: Game, state: TrainState, played: Forward, batch: Batch, key: jax.Array):
    return disc_gradient(game, state, played.fakes, batch, key)


def disc_gradient(game: Game, state: TrainState, fakes: Any, batch: Batch, key: jax.Array):
    return jax.grad(game.disc_loss, has_aux=True)(state.params["disc"], fakes, state, batch, key)


def gen_turn(game: Game, state: TrainState, played: Forward, batch: Batch, key: jax.Array):
    loss = lambda fakes: game.gen_loss(fakes, state.params["disc"], state, batch, key)
    return through_fakes(played, loss)


def through_fakes(played: Forward, loss: Callable[[Any], tuple[jax.Array, Outcome]]):
    """The gradient of the generator that made the fakes of which `loss` is a function."""
    cotangent, outcome = jax.grad(loss, has_aux=True)(played.fakes)
    (grads,) = played.pullback(cotangent)
    return grads, outcome._replace(variables=played.variables)


def apply_gradients(state: TrainState, player: str, optimizer: Optimizer, grads: Any) -> TrainState:
    """The state after an update of the player's parameters."""
    params = state.params[player]
    updates, opt_state = optimizer.transform.update(grads, state.opt_state[player], params)
    return state.replace(
        params=state.params | {player: optax.apply_updates(params, updates)},
        opt_state=state.opt_state | {player: opt_state},
    )


def with_outcome(state: TrainState, player: str, outcome: Outcome) -> TrainState:
    """The state with what the player's loss leaves behind."""
    return state.replace(
        variables=state.variables | {player: outcome.variables}, extra=outcome.extra
    )


def learning_rates(optimizers: Mapping[str, Optimizer], updates: Mapping[str, Any]) -> Metrics:
    """The rates that are applied after so many updates of each player."""
    return {f"{p}/lr": optimizers[p].learning_rate(updates[p]) for p in PLAYERS}


def end_step(state: TrainState, *, ema: Ema) -> TrainState:
    """The state with the generator averaged and the step counted."""
    generator = {"params": state.params["gen"], "variables": state.variables["gen"]}
    average = moving_average(state.ema, generator, state.step, decay=ema)
    return state.replace(step=state.step + 1, ema=average)
