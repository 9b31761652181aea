"""How the game is trained: optimizers, method, average, and what it begins with."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgan.build.checks import mended_by_user
from jaxgan.build.data import example_batch
from jaxgan.choices import choose, options_of
from jaxgan.engine.averaging import Ema, half_life
from jaxgan.engine.microbatches import in_microbatches
from jaxgan.engine.run import Run
from jaxgan.engine.step import PLAYERS, Optimizer, init_state
from jaxgan.engine.transfer import Transfer, check_patterns, frozen
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.objectives.optimizers import OPTIMIZERS, make_optimizer
from jaxgan.objectives.schedules import learning_rate
from jaxgan.schema import method


def build_optimizers(config: ConfigDict) -> dict[str, Optimizer]:
    """Both players' optimizers; steps of the config become updates of the player."""
    optimizers, updates = {}, method(config.method.name).updates
    for player in PLAYERS:
        turns = config.train[f"{player}_turns"] * updates
        fields = dict(config.optim[player])
        rule = choose("optimizer", OPTIMIZERS, fields.pop("name"))
        total = {"total_steps": config.train.steps * turns}
        try:
            rate = learning_rate(
                fields.pop("lr"),
                schedule=fields.pop("schedule"),
                warmup_steps=fields.pop("warmup_steps") * turns,
                final=fields.pop("final"),
                **total,
            )
            fields |= {k: v for k, v in total.items() if k in options_of(rule)}
            transform = frozen(make_optimizer(rule, rate, **fields), player, config.init.freeze)
            optimizers[player] = Optimizer(transform, rate)
        except (ValueError, TypeError) as error:
            raise UsageError(f"config.optim.{player}: {error}") from error
    return optimizers


def build_method(config: ConfigDict) -> Callable:
    """`(game, optimizers, *, ema) -> step`: the method that the config names, with its options."""
    options = {name: value for name, value in config.method.items() if name != "name"}
    make = partial(method(config.method.name).make, **options)
    if config.train.microbatches == 1:
        return make
    return in_microbatches(make, config.train.microbatches, config.train.packing)


def build_ema(config: ConfigDict) -> Ema:
    """How the generator is averaged: a decay, or a half-life in images.

    The ramp keeps an untrained generator out of the average; one that another run has trained, all
    of it, needs none.
    """
    fields, turns = config.train, config.train.disc_turns
    trained = config.init.workdir and all(path.startswith("disc") for path in config.init.skip)
    if not fields.ema_half_life:
        return (lambda step: jnp.float32(fields.ema)) if trained else fields.ema
    with mended_by_user("config.train.ema_schedule"):
        return half_life(
            fields.ema_half_life,
            images=config.data.batch_size * turns,
            ramp=0.0 if trained else fields.ema_ramp,
            schedule=fields.ema_schedule,
            steps=fields.steps,
        )


def build_beginning(config: ConfigDict, game: AdversarialGame) -> Callable:
    """What becomes of the first state: nothing, or it takes over what `config.init` says.

    Raises:
      UsageError: the other run does not fit, or a pattern names nothing. A run that is not there
        is missed only by who begins: one that goes on has no need of it.
    """
    fields, optimizers = config.init, build_optimizers(config)
    if not (fields.workdir or fields.freeze):
        return Run.begin
    new = partial(init_state, game, optimizers)
    state = jax.eval_shape(new, jax.random.key(0), example_batch(config))
    check_patterns(state.params, "freeze", fields.freeze)
    check_patterns(state.params, "skip", fields.skip)
    if not fields.workdir:
        return Run.begin
    other = Path(fields.workdir).expanduser()
    transfer = Transfer(
        workdir=other, checkpoint=fields.checkpoint, member=fields.member, skip=fields.skip
    )
    if other.exists():
        transfer.check(state)
    return replace(transfer, seeds=seeds_of(config))


def seeds_of(config: ConfigDict) -> int:
    """`Run.seeds`: 0 of one run."""
    return config.seeds if config.seeds > 1 else 0
