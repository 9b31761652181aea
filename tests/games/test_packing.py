"""Points in the plane and packs of images, through the whole game."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, SMALL
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.build import build_game
from jaxgan.config import load_config
from jaxgan.engine.step import Optimizer, init_state, make_train_step
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame, WeightedTerm, pack, unpack
from jaxgan.networks import NETWORKS, mlp
from jaxgan.objectives.augment.base import Augmentation
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.terms import TERMS
from jaxgan.schema import augmentation

# Terms of classes, of generators with styles and of discriminators that draw are not of points; see
# test_combinations.py.
PICTURES = ("acgan", "d2d_ce", "path_length", "reconstruction")
NAMES = tuple(name for name in TERMS if name not in PICTURES)
SGD = Optimizer(optax.sgd(1e-2), lambda count: 1e-2)
OPTIMIZERS = {"gen": SGD, "disc": SGD}


@given(size=st.integers(1, 4), packs=st.integers(1, 3), space=st.sampled_from([(), (2,), (2, 3)]))
def test_a_pack_holds_consecutive_images_side_by_side(size, packs, space):
    images = jnp.arange(size * packs * np.prod(space, dtype=int) * 5.0).reshape(-1, *space, 5)
    packed = pack(images, size)
    chex.assert_shape(packed, (packs, *space, 5 * size))
    for n in range(packs):
        expected = np.concatenate(images[n * size : (n + 1) * size], axis=-1)
        np.testing.assert_array_equal(packed[n], expected)
    np.testing.assert_array_equal(unpack(packed, size), images)


def points_game(packing=1, names=NAMES, **kwargs) -> AdversarialGame:
    return AdversarialGame(
        gen=mlp.Generator(
            image_shape=(2,), latent_dim=2, hidden=(4,), norm="batch", output="linear"
        ),
        disc=mlp.Discriminator(image_shape=(2 * packing,), hidden=(4,), activation="maxout"),
        loss=LOSSES["non_saturating"],
        terms=tuple(
            WeightedTerm(
                name=name, term=TERMS[name].with_options({"alteration": "noise"}), weight=0.1
            )
            for name in names
        ),
        packing=packing,
        **{"augments": (("noise", augmentation("instance_noise")),), **kwargs},  # not of pictures
    )


@pytest.mark.parametrize("packing", [1, 3])
def test_points_are_played_with_every_term_and_noise(packing):
    game, points = points_game(packing), 4.0 * jax.random.normal(jax.random.key(0), (1, 6, 2))
    state = init_state(game, OPTIMIZERS, jax.random.key(0), {"image": points[0]})
    assert state.params["disc"]["Dense_0"]["kernel"].shape[0] == 2 * packing
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    for _ in range(2):
        state, metrics = play(state, {"image": points})
    chex.assert_tree_all_finite((state.params, metrics))
    fakes, _ = game.generate(state.params["gen"], state, {"image": points[0]}, jax.random.key(1))
    chex.assert_shape(game.images_of(fakes), (6, 2))
    grid = game.preview(state.ema["params"], state.ema["variables"], {}, jax.random.key(2))
    chex.assert_shape(grid, (8, 8, 2))


def test_a_packed_game_is_the_plain_game_of_packs():
    """The discriminator's loss of packs is that of a game whose images are the packs."""
    packed = points_game(2, ("r1", "wgan_gp"), augments=())
    points, fakes = jax.random.normal(jax.random.key(0), (2, 6, 2))
    state = init_state(packed, OPTIMIZERS, jax.random.key(0), {"image": points})
    plain = points_game(1, ("r1", "wgan_gp"), augments=())
    key, disc = jax.random.key(1), state.params["disc"]
    ours = packed.disc_loss(disc, fakes, state, {"image": points}, key)
    beside = {"image": points.reshape(3, 4)}
    expected = plain.disc_loss(disc, fakes.reshape(3, 4), state, beside, key)
    chex.assert_trees_all_equal(ours, expected)
    alone = plain.disc_loss  # and a pack's discriminator does not take single points
    with pytest.raises(Exception, match="kernel"):
        alone(disc, fakes, state, {"image": points}, key)


def test_images_of_a_pack_are_augmented_one_by_one():
    """Else colours of one would be mixed with those of the others."""
    scale = lambda images: images * jnp.arange(1.0, len(images) + 1)[:, None]
    augments = (("scale", Augmentation(apply=lambda images, key, step: scale(images))),)
    changing, plain = (points_game(2, ("r1",), augments=a) for a in (augments, ()))
    points, fakes = jax.random.normal(jax.random.key(0), (2, 6, 2))
    state = init_state(plain, OPTIMIZERS, jax.random.key(0), {"image": points})
    key, disc = jax.random.key(1), state.params["disc"]
    ours, _ = changing.gen_loss(fakes, disc, state, {"image": points}, key)
    expected, _ = plain.gen_loss(scale(fakes), disc, state, {"image": scale(points)}, key)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_discriminator_sees_packs_of_pictures(network, images):
    family, sizes = NETWORKS[network], SMALL[network]
    game = AdversarialGame(
        gen=family.Generator(image_shape=(8, 8, 1), latent_dim=3, **sizes),
        disc=family.Discriminator(image_shape=(8, 8, 2), **sizes),
        loss=LOSSES["hinge"],
        packing=2,
    )
    batch = {"image": images}
    state = jax.eval_shape(lambda: init_state(game, OPTIMIZERS, jax.random.key(0), batch))
    batches = jax.tree.map(lambda x: x[None], batch)
    after, _ = jax.eval_shape(make_train_step(game, OPTIMIZERS), state, batches)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_packing_is_a_field_of_the_config():
    def game_of(*overrides):
        config = load_config(f"{ROOT}/configs/dcgan_fashion.py:smoke", overrides)
        with config.unlocked():
            config.data.image_shape, config.data.num_classes = (28, 28, 1), 0
        return build_game(config)

    game = game_of("--config.train.packing=4")
    assert game.packing == 4 and game.disc.image_shape == (28, 28, 4)
    with pytest.raises(UsageError, match="multiple of 3; got 16"):
        game_of("--config.train.packing=3")


def test_packs_have_no_label():
    gen = mlp.Generator(image_shape=(2,), num_classes=3)
    disc = mlp.Discriminator(image_shape=(4,), num_classes=3)
    with pytest.raises(ValueError, match="no one label"):
        AdversarialGame(gen=gen, disc=disc, loss=LOSSES["hinge"], packing=2)
