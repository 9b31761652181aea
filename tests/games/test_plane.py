"""Drawings of games over points in the plane."""

import jax
import numpy as np
import optax
import pytest

from jaxgan.engine.step import Optimizer, init_state
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.plane import COLD, WARM, Drawing
from jaxgan.networks import mlp
from jaxgan.objectives.losses import LOSSES

SGD = Optimizer(optax.sgd(1e-2), lambda count: 1e-2)
POINTS = {"image": jax.random.normal(jax.random.key(0), (8, 2))}


def draw(minibatch: str) -> np.ndarray:
    game = AdversarialGame(
        gen=mlp.Generator(image_shape=(2,), latent_dim=3, hidden=(4,), output="linear"),
        disc=mlp.Discriminator(image_shape=(2,), hidden=(4,), minibatch=minibatch),
        loss=LOSSES["non_saturating"],
    )
    state = init_state(game, {"gen": SGD, "disc": SGD}, jax.random.key(0), POINTS)
    return Drawing(game)(state, POINTS)


def test_the_ground_goes_from_cold_to_warm():
    colours = draw("none").reshape(-1, 3).astype(int)
    for end in (COLD, WARM):
        pale = 255 - 0.7 * (255 - end)
        assert np.abs(colours - pale).sum(axis=1).min() < 20


@pytest.mark.parametrize("minibatch", ["stddev", "discrimination"])
def test_the_ground_is_plain_where_the_batch_counts(minibatch):
    """A mesh of places is no batch that such a discriminator was trained on."""
    grounds = (draw(minibatch) == 250).all(axis=-1)
    assert grounds.mean() > 0.8  # dots and lines cover the rest
