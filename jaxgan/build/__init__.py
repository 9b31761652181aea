"""From a ConfigDict to networks, game, optimizers and data: the only reader of configs."""

from jaxgan.build.checks import check_batch
from jaxgan.build.data import build_dataset, example_batch, resolve
from jaxgan.build.experiment import Experiment, build, build_on
from jaxgan.build.game import build_game, scaled_weights
from jaxgan.build.scoring import build_scorer, fake_labels, number_of_reals
from jaxgan.build.training import build_ema, build_optimizers, seeds_of

__all__ = [
    "Experiment",
    "build",
    "build_dataset",
    "build_ema",
    "build_game",
    "build_on",
    "build_optimizers",
    "build_scorer",
    "check_batch",
    "example_batch",
    "fake_labels",
    "number_of_reals",
    "resolve",
    "scaled_weights",
    "seeds_of",
]
