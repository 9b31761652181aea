"""Any loss with any terms on any networks: every combination takes finite steps in one trace."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import optax
import pytest
from conftest import SMALL
from sowing import Sowing, Styled, terms_for

from jaxgan.engine.step import Optimizer, init_state, make_train_step
from jaxgan.games.adversarial import AdversarialGame, WeightedTerm
from jaxgan.networks import NETWORKS
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.terms import TERMS

# Options with which a term does something in the first steps of small games.
READY = {"lecam": {"start": 0, "hinge": False}}
SGD = Optimizer(optax.sgd(1e-2), lambda count: 1e-2)
OPTIMIZERS = {"gen": SGD, "disc": SGD}
KEY = jax.random.key(0)


def weighted(names) -> tuple[WeightedTerm, ...]:
    return tuple(
        WeightedTerm(name=name, term=TERMS[name].with_options(READY.get(name, {})), weight=0.1)
        for name in names
    )


def small_game(network: str, loss: str, terms=(), **kwargs) -> AdversarialGame:
    sizes = SMALL.get(network, {})
    shape = {"image_shape": (8, 8, 1), "num_classes": 3}
    family = NETWORKS[network]
    gen_sizes = {k: v for k, v in sizes.items() if k in family.Generator.__annotations__}
    return AdversarialGame(
        gen=family.Generator(latent_dim=3, **shape, **gen_sizes),
        disc=family.Discriminator(**shape, **sizes),
        loss=LOSSES[loss],
        terms=weighted(terms),
        **kwargs,
    )


def sowing_game(terms, **kwargs) -> AdversarialGame:
    game = small_game("mlp", "hinge", **kwargs)
    return replace(game, gen=Styled(), disc=Sowing(), terms=weighted(terms))


def start(game: AdversarialGame, first):
    return jax.jit(lambda key: init_state(game, OPTIMIZERS, key, first))(KEY)


def take_two_steps(game: AdversarialGame, batches):
    first = jax.tree.map(lambda x: x[0], batches)
    state = start(game, first)
    play = jax.jit(chex.assert_max_traces(make_train_step(game, OPTIMIZERS, ema=0.9), n=1))
    for _ in range(2):
        state, metrics = play(state, batches)
    return state, metrics


# A loss sees logits alone, of whatever network: each is played once, on the smallest.
PAIRS = [("mlp", loss) for loss in LOSSES] + [(n, "relativistic") for n in NETWORKS if n != "mlp"]
# Blocks, norms and heads of these are in biggan_deep too, and compiling all takes minutes.
SLOW = {"resnet", "biggan"}
PAIRS = [pytest.param(*pair, marks=[pytest.mark.slow] * (pair[0] in SLOW)) for pair in PAIRS]


@pytest.mark.parametrize(("network", "loss"), PAIRS)
def test_every_loss_and_every_network_with_every_term(network, loss, toy_batches):
    """With each term whose needs the network meets; with all of them below."""
    game = small_game(network, loss)
    batches = jax.tree.map(lambda x: x[:1], toy_batches)  # a turn each: more takes long to compile
    terms = weighted(terms_for(game.gen, game.disc))
    check_two_steps(replace(game, terms=terms), batches)


def test_every_term_at_once(toy_batches):
    assert set(terms_for(Styled(), Sowing())) == set(TERMS)
    check_two_steps(sowing_game(TERMS), toy_batches)


def check_two_steps(game, batches):
    state, metrics = take_two_steps(game, batches)
    assert state.step == 2
    chex.assert_tree_all_finite((metrics, state.params, state.ema))
    for player in ("disc", "gen"):
        names = [f"{player}/{t.name}" for t in game.terms if player in t.term.players]
        total = metrics[f"{player}/adversarial"] + 0.1 * sum(metrics[name] for name in names)
        chex.assert_trees_all_close(metrics[f"{player}/loss"], total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_alone_changes_its_players_update(term, toy_batches):
    def params_after_a_step(terms):
        game = sowing_game(terms)
        first = jax.tree.map(lambda x: x[0], batches)
        state = start(game, first)
        return jax.jit(make_train_step(game, OPTIMIZERS))(state, batches)[0].params

    batches = jax.tree.map(lambda x: x[:1], toy_batches)
    plain, changed = params_after_a_step(()), params_after_a_step((term,))
    differs = {
        player: not all(
            jnp.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves(plain[player]), jax.tree.leaves(changed[player]), strict=True
            )
        )
        for player in ("disc", "gen")
    }
    for player in TERMS[term].players:
        assert differs[player]
    if TERMS[term].players == ("gen",):
        assert not differs["disc"]


def test_lazy_terms_are_due_at_their_interval(toy_batches):
    game = small_game("mlp", "hinge")
    lazy = WeightedTerm(name="r1", term=TERMS["r1"], weight=0.5, interval=4)
    game = replace(game, terms=(lazy,))
    assert [len(game.due(step).terms) for step in range(9)] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    _, metrics = take_two_steps(game.due(0), toy_batches)
    expected = metrics["disc/adversarial"] + 4 * 0.5 * metrics["disc/r1"]
    chex.assert_trees_all_close(metrics["disc/loss"], expected, rtol=1e-5)
    chex.clear_trace_counter()
    _, metrics = take_two_steps(game.due(1), toy_batches)
    assert "disc/r1" not in metrics


def test_penalty_through_batch_norm_is_refused():
    shape = {"image_shape": (8, 8, 1)}
    family = NETWORKS["dcgan"]
    with pytest.raises(ValueError, match="mixes the examples"):
        AdversarialGame(
            gen=family.Generator(**shape),
            disc=family.Discriminator(norm="batch", **shape),
            loss=LOSSES["hinge"],
            terms=(WeightedTerm(name="r1", term=TERMS["r1"], weight=1.0),),
        )


@pytest.mark.parametrize("network", NETWORKS)
def test_logits_do_not_depend_on_the_order_of_the_batch(network, images):
    family = NETWORKS[network]
    disc = family.Discriminator(image_shape=(8, 8, 1), **SMALL.get(network, {}))
    order = jnp.array([2, 0, 3, 1])

    @jax.jit
    def look(key):
        variables = disc.init(key, images, train=False)
        return [disc.apply(variables, seen, train=False) for seen in (images, images[order])]

    logits, moved = look(KEY)
    chex.assert_trees_all_close(moved, logits[order], atol=1e-6)


def first_turn(network: str, dtype: str, first):
    """A game, and its discriminator's loss as a function of params and state."""
    game = small_game(network, "lsgan", ("r1",), dtype=dtype)

    def loss(params, state):
        fakes = 0.5 * first["image"][::-1]
        return game.disc_loss(params, fakes, state, first, jax.random.key(1))

    return game, loss


@pytest.mark.parametrize("network", NETWORKS)
def test_bfloat16_is_for_the_networks_alone(network, toy_batches):
    """They compute in it; parameters, statistics, losses and gradients are float32."""
    first = jax.tree.map(lambda x: x[0], toy_batches)

    def layers(dtype):
        game, loss = first_turn(network, dtype, first)
        state = jax.eval_shape(lambda key: init_state(game, OPTIMIZERS, key, first), KEY)
        after, _ = jax.eval_shape(make_train_step(game, OPTIMIZERS), state, toy_batches)
        chex.assert_trees_all_equal_dtypes(after, state)
        graph = jax.value_and_grad(loss, has_aux=True)
        for leaf in jax.tree.leaves(jax.eval_shape(graph, state.params["disc"], state)):
            assert leaf.dtype == jnp.float32
        return [
            eqn.invars[0].aval.dtype.name
            for eqn in jax.make_jaxpr(loss)(state.params["disc"], state).eqns
            if eqn.primitive.name in ("jaxgan_conv", "dot_general")
        ]

    assert set(layers("float32")) == {"float32"}
    rounded = layers("bfloat16")
    # Spectral normalisation multiplies matrices in float32.
    assert rounded.count("bfloat16") >= 4
    normalized = network in ("resnet", "biggan", "biggan_deep", "light")
    assert normalized or set(rounded) == {"bfloat16"}


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_gradients_of_bfloat16_point_the_same_way(network, toy_batches):
    first = jax.tree.map(lambda x: x[0], toy_batches)
    found = []
    for dtype in ("float32", "bfloat16"):
        game, loss = first_turn(network, dtype, first)
        state = start(game, first)
        graph = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (value, _), grads = graph(state.params["disc"], state)
        found.append((value, jnp.concatenate([g.ravel() for g in jax.tree.leaves(grads)])))
    (exact, a), (rounded, b) = found
    chex.assert_trees_all_close(rounded, exact, rtol=0.03)
    assert a @ b / (jnp.linalg.norm(a) * jnp.linalg.norm(b)) > 0.98
