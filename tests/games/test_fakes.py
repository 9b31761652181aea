"""Sets of fakes: the same at every reading, with their own draws of all that is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
from conftest import SMALL

from jaxgan.games import fakes
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.networks import NETWORKS
from jaxgan.objectives.losses import LOSSES


def test_an_image_has_noise_of_its_own_that_is_the_same_however_it_is_read(monkeypatch):
    monkeypatch.setattr(fakes, "BATCH", 2)
    shape, family = (16, 16, 1), NETWORKS["stylegan2"]
    small = dict(SMALL["stylegan2"])
    gen = family.Generator(image_shape=shape, latent_dim=4, **small)
    small.pop("mapping_layers")
    disc = family.Discriminator(image_shape=shape, **small)
    game = AdversarialGame(gen=gen, disc=disc, loss=LOSSES["non_saturating"])
    params, variables, _ = game.init(jax.random.key(0), {"image": jnp.zeros((2, *shape))})
    # Of noise alone, which a fresh network leaves out.
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf + (path[-1].key == "noise_strength"), params["gen"]
    )
    generator = {"params": params, "variables": variables["gen"]}
    made = fakes.FakeMaker(game)(generator, 5, jax.random.key(1))
    images = made.pixels(5)
    assert images.shape == (5, *shape)
    for begin, end in ((0, 1), (1, 2), (1, 5), (3, 4)):
        np.testing.assert_array_equal(made.read(begin, end), images[begin:end])
    monkeypatch.setattr(AdversarialGame, "latents", lambda *_: jnp.ones((5, 4)))
    alike = fakes.FakeMaker(game)(generator, 5, jax.random.key(1)).pixels(5).astype(float)
    assert np.abs(alike[1:] - alike[:1]).mean(axis=(1, 2, 3)).min() > 1
