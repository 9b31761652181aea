import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from conftest import ROOT

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import initializer, read_first_batch
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.standing import measured_anew, standing_statistics
from jaxgan.keys import fold
from jaxgan.networks.mlp import Discriminator
from jaxgan.objectives.losses import LOSSES


class Normed(nn.Module):
    """Latents times a matrix, normalized: statistics that can be told by hand."""

    image_shape: tuple[int, ...] = (2, 2, 1)
    num_classes: int = 0
    latent_dim: int = 3
    prior: str = "normal"
    norm: bool = True

    @nn.compact
    def __call__(self, latents, labels=None, *, train: bool):
        x = nn.Dense(4)(latents)
        if self.norm:
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return x.reshape(-1, *self.image_shape)


def game_of(norm=True):
    disc = Discriminator(image_shape=(2, 2, 1), num_classes=0, hidden=(4,))
    game = AdversarialGame(gen=Normed(norm=norm), disc=disc, loss=LOSSES["hinge"])
    params, variables, _ = game.init(jax.random.key(0), {"image": jnp.zeros((8, 2, 2, 1))})
    return game, params["gen"], variables["gen"]


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_statistics_are_the_mean_of_the_batches_own(scale):
    """Of large activations too, whose variance is 10^8."""
    game, params, variables = game_of()
    params = jax.tree.map(lambda leaf: scale * leaf, params)
    key = jax.random.key(3)
    stale = jax.tree.map(lambda leaf: leaf + 7.0, variables)
    found = standing_statistics(game, params, stale, key, batches=5, batch_size=16)
    means, variances = [], []
    for i in range(5):
        latents = game.latents(fold(jax.random.fold_in(key, i), "latents"), 16)
        dense = params["Dense_0"]
        x = latents @ dense["kernel"] + dense["bias"]
        means.append(x.mean(0))
        variances.append(x.var(0))
    wanted = {"mean": sum(means) / 5, "var": sum(variances) / 5}
    statistics = found["batch_stats"]["BatchNorm_0"]
    chex.assert_trees_all_close(statistics, wanted, rtol=1e-4, atol=1e-5 * scale)


def test_a_generator_without_batch_norm_stays_as_it_is():
    game, params, variables = game_of(norm=False)
    assert standing_statistics(game, params, variables, jax.random.key(0)) is variables


def test_what_no_pass_reaches_and_what_is_0_are_told_apart():
    """Like the norm of an encoder beside the generator, and a channel that is always 0."""
    game, params, variables = game_of()
    params["Dense_0"] = jax.tree.map(lambda leaf: leaf.at[..., 0].set(0.0), params["Dense_0"])
    idle = {"mean": jnp.float32([0.0, 3.0]), "var": jnp.float32([1.0, 2.0])}
    statistics = jax.tree.map(lambda leaf: leaf + 7.0, variables["batch_stats"]) | {"idle": idle}
    found = standing_statistics(game, params, {"batch_stats": statistics}, jax.random.key(3))
    chex.assert_trees_all_equal(found["batch_stats"]["idle"], idle)
    reached = found["batch_stats"]["BatchNorm_0"]
    assert reached["mean"][0] == 0.0 and reached["var"][0] == 0.0 and reached["var"][1] < 7.0


def test_a_training_scores_with_the_statistics_that_it_asks_for():
    given = ["--config.eval.batch_stats="]
    collected, standing = (
        build(load_config(f"{ROOT}/configs/pacgan_grid.py:smoke", [given[0] + kind])).run
        for kind in ("ema", "standing")
    )
    init = initializer(collected.game, collected.optimizers, 0)
    stale = init(read_first_batch(collected)).ema
    key = jax.random.key(5)
    scores = standing.evaluate(stale, key)
    assert scores == collected.evaluate(measured_anew(collected.game, stale, key), key)
    assert scores != collected.evaluate(stale, key)


def test_other_statistics_are_refused():
    with pytest.raises(UsageError, match="eval.batch_stats 'mean'.*ema, standing"):
        build(
            load_config(f"{ROOT}/configs/pacgan_grid.py:smoke", ["--config.eval.batch_stats=mean"])
        )
