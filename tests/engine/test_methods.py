"""Other ways to step, against closed forms on games that can be solved by hand."""

from dataclasses import dataclass, replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, assert_same_bits

from jaxgan.build import build, build_optimizers
from jaxgan.config import load_config
from jaxgan.engine.methods import METHODS
from jaxgan.engine.step import Optimizer, Outcome, init_state, make_train_step
from jaxgan.engine.unrolled import make_unrolled_step
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame, WeightedTerm
from jaxgan.networks import mlp
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.optimizers import make_optimizer
from jaxgan.objectives.terms import TERMS

RATE = 0.1
START = {"disc": 1.0, "gen": 0.5}


def optimizers_of(rule="sgd", rate=RATE, **kwargs):
    one = Optimizer(make_optimizer(rule, rate, **kwargs), lambda count: rate)
    return dict.fromkeys(START, one)


@dataclass(frozen=True)
class Quadratic:
    """The discriminator's loss is a/2 d^2 - d (x - f), the generator's d (x - f), f = s g.

    With a = 0 it is bilinear, with v = (f - x, -s d).
    """

    a: float = 0.0
    scale: float = 1.0
    schedule: tuple[str, ...] = ("disc", "gen")

    def due(self, step):
        return self

    def init(self, key, batch):
        params = {player: jnp.float32(value) for player, value in START.items()}
        return params, {"gen": jnp.int32(0), "disc": jnp.int32(0)}, jnp.int32(0)

    def generate(self, gen_params, state, batch, key):
        return self.scale * gen_params, state.variables["gen"] + 1

    def disc_loss(self, d, fakes, state, batch, key):
        loss = self.a / 2 * d**2 - d * (batch["image"] - fakes)
        return loss, Outcome({"loss": loss}, state.variables["disc"] + 1, state.extra + 1)

    def gen_loss(self, fakes, d, state, batch, key):
        loss = d * (batch["image"] - fakes)
        return loss, Outcome({"loss": loss}, None, state.extra + 10)


def play(make, game=Quadratic(), optimizers=None, steps=1, x=0.0):  # noqa: B008
    optimizers = optimizers or optimizers_of()
    batches = {"image": jnp.full(1, x)}
    state = init_state(game, optimizers, jax.random.key(0), {"image": jnp.float32(x)})
    step = jax.jit(make(game, optimizers))
    for _ in range(steps):
        state, metrics = step(state, batches)
    return state, metrics


def distance(state):
    return state.params["disc"] ** 2 + state.params["gen"] ** 2


# What a step multiplies the squared distance to the solution of the bilinear game by.
GROWTH = {
    "simultaneous": 1 + RATE**2,
    "extragradient": (1 - RATE**2) ** 2 + RATE**2,
    "consensus": (1 - RATE * 10) ** 2 + RATE**2,  # v = J z with J^T J = 1, hence J^T v = z
}


@pytest.mark.parametrize("name", GROWTH)
def test_moving_at_once_on_the_bilinear_game(name):
    for steps in (1, 5):
        state, _ = play(METHODS[name].make, steps=steps)
        np.testing.assert_allclose(distance(state), 1.25 * GROWTH[name] ** steps, rtol=1e-4)


@pytest.mark.parametrize("name", ["alternating", "unrolled"])
def test_moving_in_turns_on_the_bilinear_game(name):
    """d^2 + g^2 - RATE d g stays for ever where the generator does not look ahead."""
    state, _ = play(METHODS[name].make, steps=300)
    d, g = state.params["disc"], state.params["gen"]
    if name == "alternating":
        np.testing.assert_allclose(d**2 + g**2 - RATE * d * g, 1.25 - RATE / 2, rtol=1e-3)
    else:
        assert distance(state) < 1e-3


def test_optimism_ends_the_cycles_of_adam():
    def last(rule):
        optimizers = optimizers_of(rule, 0.05, b1=0.0)
        return distance(play(METHODS["simultaneous"].make, optimizers=optimizers, steps=600)[0])

    assert last("adam") > 1
    assert last("optimistic_adam") < 1e-3


@pytest.mark.parametrize("unroll", [0, 1, 5])
def test_unrolled_gradient_descent_in_closed_form(unroll):
    game, x = Quadratic(a=0.7, scale=2.0), 0.3
    state, _ = play(lambda *a: make_unrolled_step(*a, unroll=unroll), game, x=x)
    d, f = START["disc"], 2 * START["gen"]
    keep = 1 - RATE * 0.7
    gain = RATE * (1 - keep**unroll) / (1 - keep)  # of x - f in d after `unroll` updates
    d = keep * d + RATE * (x - f)
    later = keep**unroll * d + gain * (x - f)
    slope = 2 * (-later - gain * (x - f - 0.7 * later))
    np.testing.assert_allclose(state.params["disc"], d, rtol=1e-6)
    np.testing.assert_allclose(state.params["gen"], START["gen"] - RATE * slope, rtol=1e-6)
    assert state.variables == {"disc": 1, "gen": 1} and state.extra == 11


@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
def test_unrolling_goes_through_the_optimizer(rule):
    game, optimizers, x = Quadratic(a=0.7, scale=2.0), optimizers_of(rule), 0.3
    transform = optimizers["disc"].transform

    def update(d, memory, g):
        grad = 0.7 * d - (x - 2.0 * g)
        change, memory = transform.update(grad, memory, d)
        return d + change, memory

    def loss(g, d, memory):
        for _ in range(3):
            d, memory = update(d, memory, g)
        return d * (x - 2.0 * g) - 0.7 / 2 * d**2

    d, g = jnp.float32(START["disc"]), jnp.float32(START["gen"])
    d, memory = update(d, transform.init(d), g)
    slope = jax.grad(loss)(g, d, memory)
    expected, _ = transform.update(slope, transform.init(g), g)
    sgd = {"disc": optimizers["disc"], "gen": optimizers_of()["gen"]}
    make = lambda *a: make_unrolled_step(*a, unroll=3)
    state, _ = play(make, game, optimizers, x=x)
    np.testing.assert_allclose(state.params["gen"], g + expected, rtol=1e-5)
    state, _ = play(make, game, sgd, x=x)
    np.testing.assert_allclose(state.params["gen"], g - RATE * slope, rtol=1e-5)
    np.testing.assert_allclose(state.params["disc"], d, atol=1e-6)


class OfFakesAlone(Quadratic):
    """The generator's loss says nothing of real images, as all but the relativistic ones."""

    def gen_loss(self, fakes, d, state, batch, key):
        loss = -d * fakes
        return loss, Outcome({"loss": loss}, None, state.extra + 10)


def test_a_discriminator_that_can_do_no_better_has_no_answer():
    """The envelope theorem: how the answer depends on fakes is worth nothing where it is best."""
    x, best = 2.0, START["disc"] * (1 + 1e-5)
    game = OfFakesAlone(a=(x - 2 * START["gen"]) / best, scale=2.0)
    plain, _ = play(make_train_step, game, x=x)
    ahead, _ = play(lambda *a: make_unrolled_step(*a, unroll=5), game, x=x)
    assert plain.params["gen"] - START["gen"] > 0.1
    chex.assert_trees_all_close(ahead.params, plain.params, rtol=1e-4)


@pytest.mark.parametrize("schedule", [("disc", "gen"), ("disc", "disc", "gen", "gen")])
def test_a_generator_that_looks_no_step_ahead_is_the_plain_one(schedule):
    def after(make):
        game = replace(small_game(), schedule=schedule)
        points = jax.random.normal(jax.random.key(0), (schedule.count("disc"), 6, 2))
        optimizers = optimizers_of("adam", 1e-2)
        state = init_state(game, optimizers, jax.random.key(0), {"image": points[0]})
        step = jax.jit(make(game, optimizers))
        return step(*step(state, {"image": points})[:1], {"image": points})

    assert_same_bits(after(make_train_step), after(lambda *a: make_unrolled_step(*a, unroll=0)))


def test_extragradient_moves_adam_twice_and_lookers_leave_nothing():
    state, _ = play(METHODS["extragradient"].make, optimizers=optimizers_of("adam"), steps=3)
    counts = optax.tree.get_all_with_path(state.opt_state, "count")
    assert counts and all(count == 6 for _, count in counts)
    assert state.variables == {"disc": 3, "gen": 3} and state.extra == 33 and state.step == 3


def test_consensus_reports_the_regularizer():
    _, metrics = play(METHODS["consensus"].make)
    np.testing.assert_allclose(metrics["disc/consensus"], 0.5 * START["gen"] ** 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["gen/consensus"], 0.5 * START["disc"] ** 2, rtol=1e-6)


def small_game():
    """Dropout, batch norm, penalties, and maxout, most of whose pieces have no gradient."""
    return AdversarialGame(
        gen=mlp.Generator(
            image_shape=(2,), latent_dim=2, hidden=(4,), norm="batch", output="linear"
        ),
        disc=mlp.Discriminator(
            image_shape=(2,), hidden=(4, 4), activation="maxout", dropout=0.2, pieces=9
        ),
        loss=LOSSES["non_saturating"],
        terms=tuple(WeightedTerm(name=n, term=TERMS[n], weight=0.1) for n in ("r1", "wgan_gp")),
    )


@pytest.mark.parametrize("name", METHODS)
def test_every_method_plays_any_game(name):
    game, points = small_game(), jax.random.normal(jax.random.key(0), (1, 6, 2))
    optimizers = optimizers_of("adam", 1e-2, clip_grad_norm=10.0)
    state = init_state(game, optimizers, jax.random.key(0), {"image": points[0]})
    options = {"unroll": 1} if name == "unrolled" else {}  # more compile for long
    make = METHODS[name].make(game, optimizers, ema=0.9, **options)
    step = jax.jit(chex.assert_max_traces(make, n=1), donate_argnums=0)
    before = jax.tree.map(jnp.copy, state)
    for _ in range(3):
        state, metrics = step(state, {"image": points})
    chex.assert_trees_all_equal_shapes_and_dtypes(state, before)
    chex.assert_tree_all_finite((state.params, state.variables, state.ema, metrics))
    assert {"disc/loss", "gen/loss", "disc/r1", "disc/lr", "gen/lr"} <= metrics.keys()
    for player in START:
        changed = jax.tree.map(lambda a, b: (a != b).any(), state.params, before.params)
        assert any(jax.tree.leaves(changed[player]))


DEFAULT = f"{ROOT}/configs/dcgan_fashion.py:smoke"
MLP = ["--config.gen={'name': 'mlp', 'hidden': (4,)}", "--config.disc={'name': 'mlp'}"]


def test_a_method_is_chosen_in_the_config():
    config = load_config(
        DEFAULT, [*MLP, "--config.method.name=unrolled", "--config.method.unroll=2"]
    )
    assert config.method.to_dict() == {"name": "unrolled", "unroll": 2}
    run = build(config).run
    assert run.make_step.func is make_unrolled_step and run.make_step.keywords == {"unroll": 2}
    elsewhere = "--config.method.name=jaxgan.engine.consensus:make_consensus_step"
    assert load_config(DEFAULT, [elsewhere]).method.gamma == 10.0


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["--config.method.name=unroled"], "did you mean 'unrolled'?"),
        (["--config.method.unroll=3"], "unknown config field config.method.unroll"),
        (["--config.method.name=unrolled", "--config.method.unroll=-1"], "unroll must not be"),
        (["--config.method.name=consensus", "--config.method.gamma=-1"], "gamma must not be"),
        (["--config.method.name=consensus", "--config.train.disc_turns=2"], "disc_turns=1"),
        (
            ["--config.method.name=unrolled", "--config.terms={'r1': {'interval': 4}}"],
            "set terms.r1.interval to 1",
        ),
    ],
)
def test_wrong_methods_get_one_line(overrides, part):
    with pytest.raises(UsageError) as error:
        build(load_config(DEFAULT, [*MLP, *overrides]))
    assert part in str(error.value) and "\n" not in str(error.value)


def test_rates_are_counted_in_the_updates_that_a_method_makes():
    config = load_config(
        DEFAULT,
        ["--config.method.name=extragradient", "--config.optim.gen.schedule=linear",
         "--config.train.steps=10"],
    )  # fmt: skip
    rate = build_optimizers(config)["gen"].learning_rate
    assert rate(19) > 0 and rate(20) == 0
