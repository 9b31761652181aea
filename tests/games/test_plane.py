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


def draw(minibatch: str = "none", classes: int = 0) -> np.ndarray:
    labels = {"num_classes": classes}
    game = AdversarialGame(
        gen=mlp.Generator(image_shape=(2,), latent_dim=3, hidden=(4,), output="linear", **labels),
        disc=mlp.Discriminator(image_shape=(2,), hidden=(4,), minibatch=minibatch, **labels),
        loss=LOSSES["non_saturating"],
    )
    points = POINTS | ({"label": np.arange(8) % classes} if classes else {})
    state = init_state(game, {"gen": SGD, "disc": SGD}, jax.random.key(0), points)
    return Drawing(game)(state, points)


def test_the_ground_goes_from_cold_to_warm():
    colours = draw().reshape(-1, 3).astype(int)
    for end in (COLD, WARM):
        pale = 255 - 0.7 * (255 - end)
        assert np.abs(colours - pale).sum(axis=1).min() < 20


@pytest.mark.parametrize(
    "judged", [{"minibatch": "stddev"}, {"minibatch": "discrimination"}, {"classes": 4}]
)
def test_the_ground_is_plain_where_more_than_the_place_counts(judged):
    """A mesh of places is no batch that such a discriminator was trained on, and has no labels."""
    grounds = (draw(**judged) == 250).all(axis=-1)
    assert grounds.mean() > 0.8  # dots and lines cover the rest
