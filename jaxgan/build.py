"""From a ConfigDict to networks, game, optimizers and data: the only reader of configs."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgan.choices import choose
from jaxgan.config import network
from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import make_feed, to_float
from jaxgan.data.sources import load_dataset
from jaxgan.engine.step import Batch, Optimizer, draws_per_step
from jaxgan.engine.train import Cadence, Run
from jaxgan.errors import UsageError, unknown
from jaxgan.games.adversarial import AdversarialGame, WeightedTerm
from jaxgan.keys import fold
from jaxgan.metrics import METRICS
from jaxgan.objectives.augment import AUGMENTS
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.optimizers import learning_rate, make_optimizer
from jaxgan.objectives.penalties import TERMS, Term


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
    dataset = build_dataset(config)
    config = resolve(config, dataset)
    game = build_game(config)
    data_key = fold(jax.random.key(config.seed), "data")
    feed = make_feed(
        dataset,
        config.data.batch_size,
        data_key,
        draws=draws_per_step(game.schedule),
        flip=config.data.flip,
    )
    run = Run(
        game=game,
        optimizers=build_optimizers(config),
        feed=feed,
        seed=config.seed,
        steps=config.train.steps,
        ema=config.train.ema,
        batch_size=config.data.batch_size,
        cadence=Cadence(
            log=config.log.every,
            sample=config.sample.every,
            evaluate=config.eval.every,
            checkpoint=config.checkpoint.every,
        ),
        keep=config.checkpoint.keep,
        keep_every=config.checkpoint.keep_every,
        evaluate=build_evaluator(config, game, dataset) if config.eval.every else None,
    )
    return Experiment(config, dataset, run)


def build_dataset(config: ConfigDict) -> Dataset:
    """The data set that `config.data` names, its images in the resolution that it asks for."""
    feeding = (
        "name",
        "batch_size",
        "flip",
        "num_classes",
        "num_examples",
        "image_shape",
    )  # not the source's
    kwargs = {name: value for name, value in config.data.items() if name not in feeding}
    return load_dataset(config.data.name, **kwargs)


def resolve(config: ConfigDict, dataset: Dataset) -> ConfigDict:
    """The config with the shape and size of the data, so that it builds the networks by itself."""
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.data.resolution = dataset.image_shape[0]
        resolved.data.image_shape = tuple(dataset.image_shape)
        resolved.data.channels = dataset.image_shape[-1]
        resolved.data.num_classes = dataset.num_classes if config.data.labels else 0
        resolved.data.num_examples = dataset.num_examples
    return resolved.lock()


def build_game(config: ConfigDict) -> AdversarialGame:
    """The game of a resolved config.

    Raises:
      UsageError: an unknown name, an argument that something does not take, or networks that
        cannot make the images of the data set.
    """
    networks = {}
    for player in ("gen", "disc"):
        kwargs = {name: value for name, value in config[player].items() if name != "name"}
        networks[player] = network(player, config[player].name)(
            image_shape=tuple(config.data.image_shape),
            num_classes=config.data.num_classes,
            **kwargs,
        )
    try:
        game = AdversarialGame(
            **networks,
            loss=choose("loss (config.loss)", LOSSES, config.loss),
            terms=tuple(build_term(name, config.terms[name]) for name in sorted(config.terms)),
            augments=tuple(
                build_augment(name, config.augment[name]) for name in sorted(config.augment)
            ),
            schedule=("disc",) * config.train.disc_turns + ("gen",) * config.train.gen_turns,
            disc_weight=config.loss_weight.disc,
            gen_weight=config.loss_weight.gen,
        )
        jax.eval_shape(game.init, jax.random.key(0), example_batch(config))
    except (ValueError, TypeError) as error:
        raise UsageError(str(error).splitlines()[0]) from error
    return game


def example_batch(config: ConfigDict) -> Batch:
    """The shapes of a batch, without the data."""
    size = config.data.batch_size
    batch = {"image": jax.ShapeDtypeStruct((size, *config.data.image_shape), jnp.float32)}
    if config.data.num_classes:
        batch["label"] = jax.ShapeDtypeStruct((size,), jnp.int32)
    return batch


def build_term(name: str, fields: Mapping[str, Any]) -> WeightedTerm:
    """A term under its own name, or under another when it has the field `name`.

    A function of elsewhere ("package.module:function") is a term of `player`, disc by default.
    """
    kwargs = dict(fields)
    weight, interval = kwargs.pop("weight"), kwargs.pop("interval")
    player = kwargs.pop("player", None)
    chosen = choose("term (config.terms)", TERMS, kwargs.pop("name", name))
    term = chosen if isinstance(chosen, Term) else Term(fn=chosen)
    check_keywords(f"terms.{name}", term.fn, kwargs)
    term = Term(fn=partial(term.fn, **kwargs), player=player or term.player)
    return WeightedTerm(name=name, term=term, weight=float(weight), interval=interval)


def build_augment(name: str, fields: Mapping[str, Any]):
    """An augmentation under its own name, or under another when it has the field `name`."""
    kwargs = dict(fields)
    chosen = choose("augmentation (config.augment)", AUGMENTS, kwargs.pop("name", name))
    check_keywords(f"augment.{name}", chosen, kwargs)
    return partial(chosen, **kwargs)


def check_keywords(path: str, function, kwargs: Mapping[str, Any]) -> None:
    """Raises UsageError where `function` has no such keyword-only hyper-parameter."""
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind == inspect.Parameter.KEYWORD_ONLY]
    for name in kwargs:
        if name not in known:
            raise unknown(f"field of config.{path}:", name, [*known, "weight", "interval"])


def build_optimizers(config: ConfigDict) -> dict[str, Optimizer]:
    """Both players' optimizers; steps of the config become updates of the player."""
    optimizers = {}
    for player, turns in (("disc", config.train.disc_turns), ("gen", config.train.gen_turns)):
        fields = dict(config.optim[player])
        try:
            rate = learning_rate(
                fields.pop("lr"),
                schedule=fields.pop("schedule"),
                warmup_steps=fields.pop("warmup_steps") * turns,
                total_steps=config.train.steps * turns,
                final=fields.pop("final"),
            )
            optimizers[player] = Optimizer(make_optimizer(fields.pop("name"), rate, **fields), rate)
        except (ValueError, TypeError) as error:
            raise UsageError(f"config.optim.{player}: {error}") from error
    return optimizers


def build_evaluator(config: ConfigDict, game: AdversarialGame, dataset: Dataset):
    """Scores of the averaged generator against the first `eval.num` images, as `eval/<metric>`."""
    metrics = {
        name: choose("metric (config.eval.metrics)", METRICS, name) for name in config.eval.metrics
    }
    count = min(config.eval.num, dataset.num_examples)
    real = jnp.stack([jnp.asarray(dataset.images[i]) for i in range(count)])
    labels = jnp.asarray(dataset.labels[:count]) if config.data.num_classes else None

    @jax.jit
    def scores(ema, real, labels, key):
        fake = game.sample(
            ema["params"], ema["variables"], game.latents(fold(key, "latents"), count), labels
        )
        return {
            f"eval/{name}": fn(to_float(real), fake, fold(key, name))
            for name, fn in metrics.items()
        }

    def evaluate(ema, batch, key):
        return {name: float(value) for name, value in scores(ema, real, labels, key).items()}

    return evaluate
