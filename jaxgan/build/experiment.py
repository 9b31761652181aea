"""Everything that training needs, from a config."""

from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from jaxgan.build.checks import (
    check_batch,
    check_microbatches,
    check_unrolling,
    mended_by_user,
)
from jaxgan.build.data import build_dataset, resolve
from jaxgan.build.game import build_game
from jaxgan.build.scoring import build_evaluator
from jaxgan.build.training import (
    build_beginning,
    build_ema,
    build_method,
    build_optimizers,
    seeds_of,
)
from jaxgan.config import to_json
from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import make_feed
from jaxgan.engine.calls import data_key, trace_step
from jaxgan.engine.run import Cadence, Run
from jaxgan.engine.sharding import Placement, make_mesh
from jaxgan.engine.step import draws_per_step
from jaxgan.errors import UsageError
from jaxgan.games.plane import Drawing


class Experiment(NamedTuple):
    """A config made real. config: resolved, with the data set's facts filled in."""

    config: ConfigDict
    dataset: Dataset
    run: Run


def build(config: ConfigDict) -> Experiment:
    """Everything that training needs, checked by an abstract run before anything is compiled.

    Raises:
      UsageError: what the user can mend in the config or the data.
    """
    check_batch(config)
    return build_on(config, build_dataset(config))


def build_on(config: ConfigDict, dataset: Dataset) -> Experiment:
    """`build` with a data set that is there already."""
    config = resolve(config, dataset)
    if config.seeds > 1 and not dataset.is_resident:
        raise UsageError(
            f"config.seeds={config.seeds}: many seeds need data that fit in memory; "
            f"{dataset.name} is streamed (data.max_resident_mb)"
        )
    game = build_game(config)
    check_microbatches(config, game)
    check_unrolling(config, game)
    feed = make_feed(
        dataset,
        config.data.batch_size,
        data_key(jax.random.key(config.seed)),
        draws=draws_per_step(game.schedule),
        flip=config.data.flip,
        placement=Placement(make_mesh(config.train.state_shards)),
    )
    run = Run(
        game=game,
        optimizers=build_optimizers(config),
        feed=feed,
        seed=config.seed,
        seeds=seeds_of(config),
        picture=Drawing(game) if dataset.image_shape == (2,) else None,
        steps=config.train.steps,
        ema=build_ema(config),
        make_step=build_method(config),
        state_shards=config.train.state_shards,
        steps_per_call=config.train.steps_per_call,
        batch_size=config.data.batch_size,
        cadence=Cadence(
            log=config.log.every,
            sample=config.sample.every,
            evaluate=config.eval.every,
            checkpoint=config.checkpoint.every,
        ),
        keep=config.checkpoint.keep,
        keep_every=config.checkpoint.keep_every,
        retry_seconds=config.checkpoint.retry_seconds,
        rollbacks=config.train.rollbacks,
        evaluate=build_evaluator(config, game, dataset) if config.eval.every else None,
        begin=build_beginning(config, game),
        config=to_json(config) + "\n",
    )
    with mended_by_user("this config cannot be trained"):
        trace_step(run)
    return Experiment(config, dataset, run)
