"""Augmentations in a game: what they remember, and how a config names them."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from test_combinations import SGD, small_game

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.step import init_state, make_train_step
from jaxgan.errors import UsageError
from jaxgan.schema import augmentation

OPTIMIZERS = {"gen": SGD, "disc": SGD}
DEFAULT = f"{ROOT}/configs/dcgan_fashion.py:smoke"
MLP = ["--config.gen={'name': 'mlp', 'hidden': (4,)}", "--config.disc={'name': 'mlp'}"]


def start_of(game, batches):
    first = jax.tree.map(lambda x: x[0], batches)
    return init_state(game, OPTIMIZERS, jax.random.key(0), first)


def test_p_follows_the_discriminator_and_stays_with_the_terms_memories(toy_batches):
    options = {"geometry": False, "p": 0.5, "kimg": 0.04, "every": 2, "target": 0.0}
    ada = augmentation("ada").with_options(options)
    game = small_game("mlp", "hinge", ("lecam",), augments=(("ada", ada),))
    state = start_of(game, toy_batches)
    chex.assert_trees_all_close(state.extra["augments"]["ada"]["p"], 0.5)
    play = jax.jit(make_train_step(game, OPTIMIZERS))
    p = 0.5
    for turn in range(1, 7):
        state, metrics = play(state, toy_batches)
        if turn % 2 == 0:
            p = np.clip(p + np.sign(metrics["disc/ada_sign"]) * 4 * 2 / 40, 0, 1)
        np.testing.assert_allclose(metrics["disc/ada_p"], p, rtol=1e-5)
        assert -1 <= metrics["disc/ada_sign"] <= 1
    assert p != 0.5
    chex.assert_trees_all_close(state.extra["augments"]["ada"]["p"], p)
    assert state.extra["lecam"]["real"] != 0


def test_at_p_0_the_game_is_that_without_augmentation(toy_batches):
    """With R1 through the augmentation; at p = 1 both players learn something else."""
    plain = small_game("mlp", "hinge", ("r1",))
    ada = augmentation("ada").with_options({"geometry": False, "noise": True})

    def params_by_p(game, *chances):
        state, play = start_of(game, toy_batches), jax.jit(make_train_step(game, OPTIMIZERS))
        for p in chances:
            extra = jax.tree.map(lambda x, p=p: jnp.asarray(p, x.dtype), state.extra)
            yield play(state.replace(extra=extra), toy_batches)[0].params

    (expected,) = params_by_p(plain, 0)
    same, changed = params_by_p(replace(plain, augments=(("ada", ada),)), 0, 1)
    chex.assert_trees_all_close(same, expected, rtol=1e-5, atol=1e-7)
    for player in ("disc", "gen"):
        leaves = (jax.tree.leaves(params[player]) for params in (changed, expected))
        assert any(jnp.abs(a - b).max() > 1e-5 for a, b in zip(*leaves, strict=True))


def test_augmentations_are_fields_of_the_config():
    given = ("{'ada': {'schedule': 'cosine', 'final': 0.5}, 'instance_noise': {}, "
             "'weak': {'name': 'diff_augment', 'cutout': 0.0}}")  # fmt: skip
    config = load_config(DEFAULT, [*MLP, f"--config.augment={given}", "--config.train.steps=7"])
    assert config.augment.ada.kimg == 500.0 and config.augment.ada.geometry is True
    game = build(config).run.game
    (_, ada), (_, noise), (_, weak) = game.augments
    assert [name for name, _ in game.augments] == ["ada", "instance_noise", "weak"]
    assert ada.apply.keywords["steps"] == ada.update.keywords["steps"] == 7
    assert ada.first.keywords["final"] == 0.5
    assert weak.apply.keywords == {"color": True, "translation": 0.125, "cutout": 0.0}
    assert noise.first is None and noise.update is None


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("ada.p=1.5", "augment.*.p is a probability"),
        ("ada.kimg=0", "kimg and every must be positive"),
        ("ada.schedule=adaptiv", "unknown schedule 'adaptiv'"),
        ("ada.geomtry=False", "did you mean config.augment.ada.geometry"),
        ("diff_augment.cutout=2.0", "cutout must be in [0, 1]"),
        ("difaugment.cutout=0.5", "unknown augmentation 'difaugment'"),
    ],
)
def test_wrong_augmentations_get_one_line(override, part):
    with pytest.raises(UsageError) as error:
        build(load_config(DEFAULT, [*MLP, f"--config.augment.{override}"]))
    assert part in str(error.value) and "\n" not in str(error.value)
