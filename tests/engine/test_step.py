"""The step against hand computation, on a game small enough to do by hand."""

from dataclasses import dataclass

import chex
import jax
import jax.numpy as jnp
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.engine.step import (
    Optimizer,
    Outcome,
    draws_per_step,
    init_state,
    make_train_step,
)

RATE = 0.1
SGD = Optimizer(optax.sgd(RATE), lambda count: RATE / (1 + count))
OPTIMIZERS = {"disc": SGD, "gen": SGD}


@dataclass(frozen=True)
class Bilinear:
    """min over g, max over d of d * (x - g): both gradients are known by heart."""

    schedule: tuple[str, ...]

    def due(self, step):
        return self

    def init(self, key, batch):
        return (
            {"gen": jnp.float32(0.5), "disc": jnp.float32(1.0)},
            {
                "gen": jnp.float32(0),
                "disc": jnp.float32(0),
            },
            jnp.int32(0),
        )

    def generate(self, gen_params, state, batch, key):
        return gen_params, state.variables["gen"] + 1

    def disc_loss(self, disc_params, fakes, state, batch, key):
        loss = -disc_params * (batch["image"] - fakes)
        outcome = Outcome({"x": batch["image"]}, state.variables["disc"] + 1, state.extra + 1)
        return loss, outcome

    def gen_loss(self, fakes, disc_params, state, batch, key):
        loss = disc_params * (batch["image"] - fakes)
        return loss, Outcome({"d": disc_params}, None, state.extra + 10)


def by_hand(schedule, g, d, images):
    draw = -1
    for player in schedule:
        draw += player == "disc"
        x = images[max(draw, 0)]
        if player == "disc":
            d += RATE * (x - g)
        else:
            g += RATE * d
    return g, d


@given(schedule=st.lists(st.sampled_from(["disc", "gen"]), min_size=1, max_size=5).map(tuple))
def test_turns_are_played_in_the_order_of_the_schedule(schedule):
    images = jnp.arange(2.0, 2.0 + draws_per_step(schedule))
    game = Bilinear(schedule)
    state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": images[0]})
    state, metrics = make_train_step(game, OPTIMIZERS)(state, {"image": images})
    g, d = by_hand(schedule, 0.5, 1.0, images)
    chex.assert_trees_all_close(state.params, {"gen": g, "disc": d}, rtol=1e-6)
    disc_turns, gen_turns = schedule.count("disc"), schedule.count("gen")
    assert state.extra == disc_turns + 10 * gen_turns
    assert state.variables == {"disc": disc_turns, "gen": gen_turns}
    assert state.step == 1
    if disc_turns:
        chex.assert_trees_all_close(metrics["disc/x"], images[:disc_turns].mean())


def test_learning_rates_count_the_players_own_turns():
    game = Bilinear(("disc", "disc", "gen"))
    images = {"image": jnp.ones(2)}
    state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": images["image"][0]})
    play = make_train_step(game, OPTIMIZERS)
    for _ in range(3):
        state, metrics = play(state, images)
    chex.assert_trees_all_close(metrics["disc/lr"], RATE / 5)
    chex.assert_trees_all_close(metrics["gen/lr"], RATE / 3)


def test_the_generator_runs_once_where_both_players_have_one_turn():
    runs = []

    class Counting(Bilinear):
        def generate(self, *args):
            runs.append(None)
            return super().generate(*args)

    for schedule, expected in ((("disc", "gen"), 1), (("disc", "disc", "gen"), 3)):
        runs.clear()
        game = Counting(schedule)
        images = {"image": jnp.ones(2)}
        state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": jnp.float32(1)})
        jax.eval_shape(make_train_step(game, OPTIMIZERS), state, images)
        assert len(runs) == expected


def test_step_draws_other_numbers_at_every_step_and_turn():
    keys = []

    class Recording(Bilinear):
        def generate(self, gen_params, state, batch, key):
            keys.append(tuple(jax.random.key_data(key).tolist()))
            return super().generate(gen_params, state, batch, key)

    game = Recording(("disc", "disc", "gen"))
    state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": jnp.float32(1)})
    play = make_train_step(game, OPTIMIZERS)
    for _ in range(3):
        state, _ = play(state, {"image": jnp.ones(2)})
    assert len(set(keys)) == len(keys) == 9


@pytest.mark.parametrize("schedule", [("disc", "gen"), ("disc", "disc", "gen", "gen")])
def test_donated_step_is_traced_once(schedule):
    game = Bilinear(schedule)
    images = {"image": jnp.ones(draws_per_step(schedule))}
    state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": jnp.float32(1)})
    play = jax.jit(
        chex.assert_max_traces(make_train_step(game, OPTIMIZERS, ema=0.9), n=1), donate_argnums=0
    )
    state = jax.tree.map(jnp.asarray, state)
    for step in range(4):
        state, _ = play(state, images)
        assert state.step == step + 1
