"""How terms join a game: what they get, what they remember, how strong they are."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from sowing import Sowing
from test_combinations import SGD, small_game, sowing_game, weighted

from jaxgan.build import build, build_game, scaled_weights
from jaxgan.config import load_config
from jaxgan.engine.step import init_state, make_train_step
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import WeightedTerm
from jaxgan.games.terms import Made, made
from jaxgan.networks import mlp
from jaxgan.networks.apply import apply
from jaxgan.objectives.class_terms import cross_entropy, data_to_data
from jaxgan.objectives.orthogonal import orthogonal
from jaxgan.objectives.terms import TERMS, Term
from jaxgan.objectives.top_k import top_k_mean

OPTIMIZERS = {"gen": SGD, "disc": SGD}
KEY = jax.random.key(1)


def start_of(game, batches):
    first = jax.tree.map(lambda x: x[0], batches)
    return init_state(game, OPTIMIZERS, jax.random.key(0), first), first


@pytest.mark.parametrize("player", ["disc", "gen"])
def test_params_are_those_of_the_player(player, toy_batches):
    game = sowing_game(())
    state, batch = start_of(game, toy_batches)
    term = replace(weighted(["orthogonal"])[0], term=TERMS["orthogonal"].of(player))
    game = replace(game, terms=(term,))
    _, metrics = jax.jit(make_train_step(game, OPTIMIZERS))(state, toy_batches)
    np.testing.assert_allclose(
        metrics[f"{player}/orthogonal"], orthogonal(state.params[player]), rtol=1e-5
    )


def test_the_generators_regulariser_has_its_whole_gradient(toy_batches):
    """It goes through the fakes' run, past which the generator's loss does not see."""
    game = replace(small_game("mlp", "hinge"), terms=weighted(["orthogonal"]), gen_weight=0.0)
    state, _ = start_of(game, toy_batches)
    after, _ = make_train_step(game, OPTIMIZERS)(state, toy_batches)
    slope = jax.grad(lambda params: 0.1 * orthogonal(params))(state.params["gen"])
    expected = jax.tree.map(lambda p, g: p - 1e-2 * g, state.params["gen"], slope)
    chex.assert_trees_all_close(after.params["gen"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("term", "sown", "network"),
    [("acgan", ("class_logits",), "resnet"), ("d2d_ce", ("embedding", "class_cosines"), "dcgan")],
)
def test_class_terms_are_of_what_the_networks_own_head_tells(term, sown, network, toy_batches):
    """Of reals for the discriminator, of fakes for the generator, at the batch's labels."""
    game = small_game(network, "hinge", (term,))
    # Spectral norm's vectors move between the run on reals and that on fakes.
    plain = {} if network == "dcgan" else {"spectral_norm": False}
    game = replace(game, disc=replace(game.disc, conditioning=term, **plain))
    state, batch = start_of(game, toy_batches)
    fakes, _ = game.generate(state.params["gen"], state, batch, KEY)

    def told(images):
        """By one run of the discriminator on these images alone."""
        params, variables = state.params["disc"], state.variables["disc"]
        arguments = (images, batch["label"])
        _, _, found = apply(game.disc, params, variables, *arguments, train=True, key=KEY)
        return [found[name][0] for name in sown]

    options = {} if term == "acgan" else {"m_p": 0.98, "m_n": 0.02, "temperature": 0.5}
    function = cross_entropy if term == "acgan" else partial(data_to_data, **options)
    of = lambda images: function(*told(images), batch["label"]).mean()
    disc_terms = {"acgan": of(batch["image"]) + of(fakes), "d2d_ce": of(batch["image"])}
    game = replace(game, terms=(replace(game.terms[0], term=TERMS[term].with_options(options)),))
    _, for_disc = game.disc_loss(state.params["disc"], fakes, state, batch, KEY)
    _, for_gen = game.gen_loss(fakes, state.params["disc"], state, batch, KEY)
    np.testing.assert_allclose(for_disc.metrics[term], disc_terms[term], rtol=1e-5)
    np.testing.assert_allclose(for_gen.metrics[term], of(fakes), rtol=1e-5)


def test_fakes_are_plain_where_no_term_asks_for_more(toy_batches):
    game = small_game("mlp", "hinge", ("r1", "feature_matching"))
    state, batch = start_of(game, toy_batches)
    fakes, _ = game.generate(state.params["gen"], state, batch, KEY)
    assert not isinstance(fakes, Made)
    chex.assert_shape([fakes, game.images_of(fakes)], (4, 8, 8, 1))


def test_near_are_images_of_near_latents(toy_batches):
    game = small_game("mlp", "hinge")
    state, batch = start_of(game, toy_batches)

    def run(sigma):
        term = replace(weighted(["zcr"])[0], term=TERMS["zcr"].with_options({"sigma": sigma}))
        with_zcr = replace(game, terms=(term,))
        return made(with_zcr.generate(state.params["gen"], state, batch, KEY)[0])

    plain, _ = game.generate(state.params["gen"], state, batch, KEY)
    chex.assert_trees_all_equal(run(0.0).fakes, plain)
    chex.assert_trees_all_equal(run(0.0).near["zcr"], plain)
    distances = [jnp.abs(run(sigma).near["zcr"] - plain).mean() for sigma in (0.01, 0.1)]
    assert 0 < distances[0] < distances[1] / 5


def test_lecam_remembers_the_mean_logits_of_earlier_steps(toy_batches):
    options = {"start": 0, "decay": 0.75}
    term = WeightedTerm(name="lecam", term=TERMS["lecam"].with_options(options), weight=0.1)
    game = replace(small_game("mlp", "hinge"), terms=(term,))
    state, _ = start_of(game, toy_batches)
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    expected = {}
    for step in range(3):
        state, metrics = play(state, toy_batches)
        for side in ("real", "fake"):
            value = metrics[f"disc/{side}_logit"]
            expected[side] = 0.75 * expected[side] + 0.25 * value if step else value
        chex.assert_trees_all_close(state.extra, {"lecam": expected}, rtol=1e-5)


def test_a_term_without_update_leaves_its_memory_itself(toy_batches):
    game = sowing_game(("path_length",))
    state, _ = start_of(game, toy_batches)
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    means = [state.extra["path_length"]]
    for _ in range(2):
        state, _ = play(state, toy_batches)
        means.append(state.extra["path_length"])
    assert means[0] == 0 < means[1] < means[2]


def test_memory_stays_while_a_lazy_term_is_not_due(toy_batches):
    lazy = replace(weighted(["lecam"])[0], interval=2)
    game = replace(small_game("mlp", "hinge"), terms=(lazy,))
    state, _ = start_of(game, toy_batches)
    state, _ = make_train_step(game.due(0), OPTIMIZERS)(state, toy_batches)
    kept, _ = make_train_step(game.due(1), OPTIMIZERS)(state, toy_batches)
    assert state.extra["lecam"]["real"] != 0
    chex.assert_trees_all_equal(kept.extra, state.extra)


def test_weights_follow_their_schedule(toy_batches):
    one = lambda real_logits: jnp.ones_like(real_logits)
    term = WeightedTerm(
        name="one", term=Term(disc=one), weight=2.0, interval=3, schedule="linear", final=0.25,
        steps=4,
    )  # fmt: skip
    game = replace(small_game("mlp", "hinge"), terms=(term,))
    state, _ = start_of(game, toy_batches)
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    for step in range(6):
        state, metrics = play(state, toy_batches)
        weight = 2.0 * (1 - 0.75 * min(1, step / 4))
        np.testing.assert_allclose(metrics["disc/one_weight"], weight, rtol=1e-6)
        added = metrics["disc/loss"] - metrics["disc/adversarial"]
        np.testing.assert_allclose(added, 3 * weight, rtol=1e-5)


def test_top_k_is_of_the_generators_loss(toy_batches):
    mean = lambda values, logits, step: top_k_mean(
        values, logits, step + 1, least=0.25, decay=0.5, every=1
    )
    game = replace(small_game("mlp", "hinge"), gen_mean=mean)
    state, batch = start_of(game, toy_batches)
    fakes, _ = game.generate(state.params["gen"], state, batch, KEY)
    _, outcome = game.gen_loss(fakes, state.params["disc"], state, batch, KEY)
    logits = game.disc.apply({"params": state.params["disc"]}, fakes, batch["label"], train=False)
    best = jnp.sort(logits)[-2:]
    np.testing.assert_allclose(outcome.metrics["adversarial"], -best.mean(), rtol=1e-5)


def missing(name, labels=True):
    shape = {"image_shape": (8, 8, 1), "num_classes": 3 if labels else 0}
    game = replace(
        sowing_game((name,)),
        gen=mlp.Generator(latent_dim=3, **shape),
        disc=Sowing() if not labels else mlp.Discriminator(**shape),
    )
    batch = {"image": jnp.zeros((4, 8, 8, 1))} | ({"label": jnp.zeros(4, int)} if labels else {})
    state = init_state(game, OPTIMIZERS, KEY, batch)
    game.disc_loss(state.params["disc"], jnp.zeros((4, 8, 8, 1)), state, batch, KEY)


@pytest.mark.parametrize(
    ("name", "labels", "part"),
    [
        ("acgan", True, "needs real_class_logits.*disc.conditioning='acgan'"),
        ("d2d_ce", True, "needs real_embedding.*disc.conditioning='d2d_ce'"),
        ("acgan", False, "needs labels.*data.labels=True"),
    ],
)
def test_what_is_not_there_is_named(name, labels, part):
    with pytest.raises(ValueError, match=part):
        missing(name, labels)


DEFAULT = f"{ROOT}/configs/dcgan_fashion.py:smoke"
MLP = ["--config.gen={'name': 'mlp', 'hidden': (4,)}", "--config.disc={'name': 'mlp'}"]


def game_of(*overrides):
    config = load_config(DEFAULT, [*MLP, *overrides])
    with config.unlocked():
        config.data.image_shape, config.data.num_classes = (28, 28, 1), 0
    return build_game(config)


def test_terms_and_top_k_are_fields_of_the_config():
    game = game_of(
        "--config.terms={'wide': {'name': 'orthogonal', 'player': 'disc', 'weight': 1e-4}, "
        "'r1': {'weight': 0.5, 'schedule': 'cosine', 'final': 0.1}, "
        "'zcr': {'gen_weight': 0.3, 'sigma': 0.07}}",
        "--config.top_k.least=0.5",
    )  # fmt: skip
    r1, wide, zcr = game.terms
    assert (r1.schedule, r1.final, r1.steps) == ("cosine", 0.1, 20)
    np.testing.assert_allclose([r1.weight_at(0), r1.weight_at(20)], [0.5, 0.05], rtol=1e-6)
    assert wide.name == "wide" and wide.term.players == ("disc",)
    assert zcr.term.gen.keywords == {"gen_weight": 0.3}
    assert zcr.term.near.keywords == {"sigma": 0.07}
    assert game.gen_mean.keywords == {"least": 0.5, "decay": 0.99, "every": 1000}
    assert game_of().gen_mean is not game.gen_mean


def test_a_weight_may_go_by_the_size_of_images_and_batch():
    """Karras et al. 2020: gamma = 0.0002 * resolution^2 / batch."""
    overrides = ["--config.terms={'r1': {'weight': 2e-4, 'weight_by': 'size'}, 'r2': {}}"]
    config = load_config(DEFAULT, [*MLP, *overrides])
    with config.unlocked():
        config.data.image_shape, config.data.num_classes = (28, 28, 1), 0
    r1, r2 = build_game(config).terms
    assert r1.weight == pytest.approx(2e-4 * 28 * 28 / 16) and r2.weight == 1.0
    (line,) = scaled_weights(config)
    assert line == "terms.r1: weight 0.0098 = 0.0002 * 28x28 pixels / 16 images"


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["--config.terms.r1.schedule=cosin"], "did you mean 'cosine'"),
        (["--config.terms.r1.weight_by=area"], "unknown rule (config.terms.r1.weight_by)"),
        (["--config.terms.path_length.weight=2"], "it takes gen.name='stylegan2'"),
        (
            ["--config.terms.r1.final=-1.0", "--config.terms.r1.schedule=linear"],
            "terms.r1.final must not be negative",
        ),
        (["--config.terms={'r1': {'player': 'critic'}}"], "one of disc, gen"),
        (["--config.terms.cr.alteration=turn"], "unknown alteration 'turn'"),
        (["--config.top_k.least=0.0"], "config.top_k.least must be in (0, 1]"),
        (["--config.terms.acgan.weight=1"], "data.labels=True"),
        (["--config.train.ema=0", "--config.train.ema_half_life=10"], "turns averaging off"),
        (["--config.train.ema_half_life=10", "--config.train.ema_schedule=sin"], "linear"),
    ],
)  # fmt: skip
def test_wrong_terms_get_one_line(overrides, part):
    with pytest.raises(UsageError) as error:
        build(load_config(DEFAULT, [*MLP, *overrides]))
    assert part in str(error.value) and "\n" not in str(error.value)
