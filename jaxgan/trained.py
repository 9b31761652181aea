"""The generator of a run, as it stands in its workdir."""

from collections.abc import Callable
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


def _averaged(holder: Checkpoints, step: int, like: TrainState) -> dict[str, Any]:
    return holder.read(step, {"step": like.step, "ema": like.ema})["ema"]


def _raw(holder: Checkpoints, step: int, like: TrainState) -> dict[str, Any]:
    parts = {"params": like.params, "variables": like.variables}
    wanted = {part: {"gen": of_players["gen"]} for part, of_players in parts.items()}
    found = holder.read(step, {"step": like.step} | wanted)
    return {part: found[part]["gen"] for part in parts}


WEIGHTS = {"ema": _averaged, "raw": _raw}


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
    weights: of WEIGHTS: "ema", averaged over training, or "raw", as the optimizer left them.
    batch_statistics: "ema", collected in training, or "standing", measured anew (standing.py)
      with latents of `seed`.
    member: which of the runs, where `seeds` trained several.

    Raises:
      UsageError: no run, no checkpoint, or not that one.
    """

    read = choose("weights", WEIGHTS, weights)
    config, game, step, generator = _load(workdir, checkpoint, member, read)
    of_kind = choose("batch statistics", BATCH_STATISTICS, batch_statistics)
    generator = of_kind(game, generator, jax.random.key(seed))
    return Trained(config, game, generator, step)


def load_state(
    workdir: Path, checkpoint: str = "last", *, member: int = 0
) -> tuple[ConfigDict, AdversarialGame, TrainState]:
    """All of a run's state at a checkpoint, with its config and game.

    Raises:
      UsageError: see `load_generator`.
    """
    config, game, _, state = _load(workdir, checkpoint, member, Checkpoints.restore)
    return config, game, state


def _load(
    workdir: Path,
    checkpoint: str,
    member: int,
    read: Callable[[Checkpoints, int, TrainState], Any],
) -> tuple[ConfigDict, AdversarialGame, int, Any]:
    """Config, game, step, and of one of the seeds what is read of a state like an abstract one."""
    config = read_config(workdir)
    game, optimizers = build_game(config), build_optimizers(config)
    if not 0 <= member < config.seeds:
        raise UsageError(f"--member must be in 0..{config.seeds - 1}; got {member}")
    seeds = seeds_of(config)
    init = initializer(game, optimizers, config.seed, seeds)
    with Checkpoints(workdir / "checkpoints") as regular, Checkpoints(workdir / "best") as best:
        holder, step = find_checkpoint(workdir, checkpoint, regular, best)
        found = read(holder, step, init.eval_shape(example_batch(config)))
    return config, game, step, of_seed(found, member) if seeds else found
