"""Pairs of images and latents: an encoder in the game."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, SMALL

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.step import Optimizer, init_state, make_train_step
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import WeightedTerm
from jaxgan.games.bidirectional import BidirectionalGame, WithEncoder, beside
from jaxgan.games.plane import Drawing
from jaxgan.games.standing import standing_statistics
from jaxgan.networks import NETWORKS, mlp
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.terms import TERMS

SGD = Optimizer(optax.sgd(1e-2), lambda count: 1e-2)
OPTIMIZERS = {"gen": SGD, "disc": SGD}
ENCODERS = [name for name, family in NETWORKS.items() if family.Encoder]


def points_game(packing=1, **encoder) -> BidirectionalGame:
    gen = mlp.Generator(image_shape=(2,), latent_dim=3, hidden=(4,), output="linear")
    enc = mlp.Encoder(image_shape=(2,), latent_dim=3, hidden=(4,), **encoder)
    return BidirectionalGame(
        gen=WithEncoder(gen, enc),
        disc=mlp.Discriminator(image_shape=(5 * packing,), hidden=(4,)),
        loss=LOSSES["non_saturating"],
        packing=packing,
    )


POINTS = {"image": jax.random.normal(jax.random.key(0), (6, 2))}


def state_of(game, batch=POINTS):
    return init_state(game, OPTIMIZERS, jax.random.key(0), batch)


def test_latents_stand_beside_every_pixel():
    images, codes = jnp.ones((2, 3, 4, 1)), jnp.arange(10.0).reshape(2, 5)
    pairs = beside(images, codes)
    chex.assert_shape(pairs, (2, 3, 4, 6))
    np.testing.assert_array_equal(pairs[1, 2, 3], [1, 5, 6, 7, 8, 9])
    chex.assert_shape(beside(images[:, 0, 0], codes), (2, 6))


def test_the_pairs_and_the_losses_are_those_of_the_papers():
    game = points_game(stochastic=False)
    state, key = state_of(game), jax.random.key(1)
    params = state.params["gen"]
    fakes, _ = game.generate(params, state, POINTS, key)
    codes = game.gen.encoder.apply({"params": params["encoder"]}, POINTS["image"], train=False)
    np.testing.assert_allclose(fakes["real"], jnp.concatenate([POINTS["image"], codes], 1), 1e-6)
    points, latents = fakes["fake"][:, :2], fakes["fake"][:, 2:]
    made = game.gen.generator.apply({"params": params["generator"]}, latents, train=False)
    np.testing.assert_allclose(points, made, 1e-5)
    np.testing.assert_array_equal(game.images_of(fakes), points)
    alone = game.sample(params, state.variables["gen"], latents, None)
    np.testing.assert_array_equal(alone, made)

    logits = lambda pairs: game.disc.apply({"params": disc}, pairs, train=False)
    disc = state.params["disc"]
    r, f = logits(fakes["real"]), logits(fakes["fake"])
    disc_loss, _ = game.disc_loss(disc, fakes, state, POINTS, key)
    gen_loss, _ = game.gen_loss(fakes, disc, state, POINTS, key)
    np.testing.assert_allclose(disc_loss, (jnp.logaddexp(0, -r) + jnp.logaddexp(0, f)).mean(), 1e-5)
    np.testing.assert_allclose(gen_loss, (jnp.logaddexp(0, -f) + jnp.logaddexp(0, r)).mean(), 1e-5)


@pytest.mark.parametrize("name", ["minimax", "wasserstein"])
def test_zero_sum_losses_stay_so_with_an_encoder(name):
    game = replace(points_game(), loss=LOSSES[name])
    r, f = jax.random.normal(jax.random.key(2), (2, 5))
    np.testing.assert_allclose(game.gen_values(r, f), -game.loss.disc(r, f), rtol=1e-6)


@pytest.mark.parametrize("packing", [1, 2])
def test_all_three_networks_learn(packing):
    terms = tuple(WeightedTerm(name=n, term=TERMS[n], weight=0.1) for n in ("r1", "wgan_gp"))
    game = replace(points_game(packing, norm="batch"), terms=terms)
    state = before = state_of(game)
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    for _ in range(2):
        state, metrics = play(state, {"image": POINTS["image"][None]})
    chex.assert_tree_all_finite((state.params, metrics))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, before.params)
    for part in (moved["disc"], moved["gen"]["generator"], moved["gen"]["encoder"]):
        assert any(jax.tree.leaves(part))
    picture = Drawing(game)(state, POINTS)
    assert picture.std() > 0


def test_only_training_draws_codes():
    enc = mlp.Encoder(image_shape=(2,), latent_dim=3, hidden=(4,))
    variables = enc.init(jax.random.key(0), POINTS["image"], train=False)
    log_std = {"kernel": jnp.zeros((4, 3)), "bias": jnp.log(jnp.array([0.1, 1.0, 3.0]))}
    variables["params"]["Code_0"]["log_std"] = log_std
    codes = enc.apply(variables, POINTS["image"], train=False)
    draws = jnp.stack(
        [
            enc.apply(variables, POINTS["image"], train=True, rngs={"dropout": jax.random.key(i)})
            for i in range(200)
        ]
    )
    deviations = (draws - codes).reshape(-1, 3)
    np.testing.assert_allclose(deviations.std(0), [0.1, 1.0, 3.0], rtol=0.1)
    np.testing.assert_allclose(deviations.mean(0) / deviations.std(0), 0.0, atol=0.1)


@pytest.mark.parametrize("network", ENCODERS)
def test_every_encoder_plays_pictures_with_labels(network, images):
    family, sizes = NETWORKS[network], SMALL[network]
    shape = {"image_shape": (8, 8, 1), "num_classes": 3}
    game = BidirectionalGame(
        gen=WithEncoder(
            family.Generator(latent_dim=3, **shape, **sizes),
            family.Encoder(latent_dim=3, norm="batch", **shape, **sizes),
        ),
        disc=family.Discriminator(image_shape=(8, 8, 4), num_classes=3, **sizes),
        loss=LOSSES["hinge"],
    )
    batch = {"image": images, "label": jnp.array([0, 1, 2, 1])}
    state = jax.eval_shape(lambda: state_of(game, batch))
    batches = jax.tree.map(lambda x: x[None], batch)
    after, _ = jax.eval_shape(make_train_step(game, OPTIMIZERS), state, batches)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_standing_statistics_leave_the_encoder_its_own():
    game = points_game(norm="batch")
    game = replace(game, gen=WithEncoder(game.gen.generator.copy(norm="batch"), game.gen.encoder))
    state = state_of(game)
    old = jax.tree.map(lambda leaf: leaf + 3.0, state.variables["gen"])
    new = standing_statistics(
        game, state.params["gen"], old, jax.random.key(0), batches=2, batch_size=8
    )
    pick = lambda variables, part: variables["batch_stats"][part]
    chex.assert_trees_all_close(pick(new, "encoder"), pick(old, "encoder"))
    for a, b in zip(
        jax.tree.leaves(pick(new, "generator")),
        jax.tree.leaves(pick(old, "generator")),
        strict=True,
    ):
        assert (a < b).all()


RING = ["--config.data={'name': 'ring', 'batch_size': 8, 'num_points': 64}",
        "--config.gen={'name': 'mlp', 'hidden': (4,), 'output': 'linear', 'latent_dim': 2}",
        "--config.disc={'name': 'mlp', 'hidden': (4,)}", "--config.eval.every=0"]  # fmt: skip
DEFAULT = f"{ROOT}/configs/dcgan_fashion.py"


def test_an_encoder_is_chosen_in_the_config():
    config = load_config(DEFAULT, [*RING, "--config.enc.name=mlp", "--config.enc.hidden=(5,)"])
    assert config.enc.norm == "none" and config.enc.hidden == (5,)
    run = build(config).run
    assert isinstance(run.game, BidirectionalGame) and run.game.disc.image_shape == (4,)
    assert run.game.gen.encoder.latent_dim == 2
    assert load_config(DEFAULT).enc.to_dict() == {}


def test_networks_without_an_encoder_are_named():
    with pytest.raises(UsageError, match="choose from dcgan, mlp"):
        load_config(DEFAULT, ["--config.enc.name=resnet"])
    with pytest.raises(UsageError, match="config.enc.name is missing"):
        load_config(DEFAULT, ["--config.enc={'hidden': (3,)}"])


def test_terms_of_near_latents_and_of_parameters_are_of_pairs():
    names = ("zcr", "lecam", "orthogonal")
    terms = tuple(WeightedTerm(name=n, term=TERMS[n], weight=0.1) for n in names)
    game = replace(points_game(), terms=terms)
    state = state_of(game)
    fakes, _ = game.generate(state.params["gen"], state, POINTS, jax.random.key(1))
    chex.assert_shape([fakes.near["zcr"], fakes.fakes["fake"]], (6, 5))
    state, metrics = jax.jit(make_train_step(game, OPTIMIZERS))(
        state, {"image": POINTS["image"][None]}
    )
    chex.assert_tree_all_finite((state.params, metrics))


def test_top_k_is_for_games_without_an_encoder():
    with pytest.raises(ValueError, match="top_k.least=1.0"):
        replace(points_game(), gen_mean=lambda values, logits, step: values.mean())
