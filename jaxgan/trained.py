"""The generator of a run, as it stands in its workdir."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from jaxgan.build import build_game, build_optimizers, example_batch, seeds_of
from jaxgan.choices import choose
from jaxgan.engine.calls import initializer
from jaxgan.engine.checkpoint import Checkpoints, find_checkpoint
from jaxgan.engine.gallery import of_seed
from jaxgan.engine.step import TrainState
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.standing import BATCH_STATISTICS
from jaxgan.workdir import read_config

WEIGHTS = ("ema", "raw")


class Trained(NamedTuple):
    """generator: {"params", "variables"} of `game.gen` after `step` steps."""

    config: ConfigDict
    game: AdversarialGame
    generator: dict[str, Any]
    step: int


def load_generator(
    workdir: Path,
    checkpoint: str = "last",
    *,
    weights: str = "ema",
    batch_statistics: str = "ema",
    seed: int = 0,
    member: int = 0,
) -> Trained:
    """The generator of a run.

    checkpoint: "last", "best" (by the first of `eval.metrics`), or a step.
    weights: "ema", averaged over training, or "raw", as the optimizer left them.
    batch_statistics: "ema", collected in training, or "standing", measured anew (standing.py)
      with latents of `seed`.
    member: which of the runs, where `seeds` trained several.

    Raises:
      UsageError: no run, no checkpoint, or not that one.
    """
    config, game, state = load_state(workdir, checkpoint, member=member)
    generator = {
        "ema": state.ema,
        "raw": {"params": state.params["gen"], "variables": state.variables["gen"]},
    }[weights]
    of_kind = choose("batch statistics", BATCH_STATISTICS, batch_statistics)
    generator = of_kind(game, generator, jax.random.key(seed))
    return Trained(config, game, generator, int(state.step))


def load_state(
    workdir: Path, checkpoint: str = "last", *, member: int = 0
) -> tuple[ConfigDict, AdversarialGame, TrainState]:
    """All of a run's state at a checkpoint, with its config and game.

    Raises:
      UsageError: see `load_generator`.
    """
    config = read_config(workdir)
    game, optimizers = build_game(config), build_optimizers(config)
    if not 0 <= member < config.seeds:
        raise UsageError(f"--member must be in 0..{config.seeds - 1}; got {member}")
    seeds = seeds_of(config)
    init = initializer(game, optimizers, config.seed, seeds)
    with Checkpoints(workdir / "checkpoints") as regular, Checkpoints(workdir / "best") as best:
        holder, step = find_checkpoint(workdir, checkpoint, regular, best)
        state = holder.restore(step, init.eval_shape(example_batch(config)))
    return config, game, of_seed(state, member) if seeds else state
