"""From a ConfigDict to networks, game, optimizers and data: the only reader of configs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxgan.choices import choose, options_of
from jaxgan.config import to_json
from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import make_feed
from jaxgan.data.sources import DATASETS
from jaxgan.engine.averaging import Ema, half_life
from jaxgan.engine.calls import data_key, trace_step
from jaxgan.engine.microbatches import in_microbatches
from jaxgan.engine.run import Cadence, Evaluator, Run
from jaxgan.engine.sharding import Placement, make_mesh
from jaxgan.engine.step import Batch, Optimizer, draws_per_step, init_state
from jaxgan.engine.transfer import Transfer, check_patterns, frozen
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame, mean
from jaxgan.games.bidirectional import BidirectionalGame, WithEncoder
from jaxgan.games.fakes import FakeMaker
from jaxgan.games.plane import Drawing
from jaxgan.games.terms import WeightedTerm
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import PROTOCOLS, Images, Scorer, images_of
from jaxgan.metrics.scoring.reference import features_of
from jaxgan.objectives.augment import Augmentation
from jaxgan.objectives.losses import LOSSES
from jaxgan.objectives.optimizers import OPTIMIZERS, make_optimizer
from jaxgan.objectives.schedules import learning_rate
from jaxgan.objectives.top_k import top_k_mean
from jaxgan.objectives.weights import WEIGHTS
from jaxgan.schema import RESOLVED, TERM, augmentation, keywords, method, network, term


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


def check_batch(config: ConfigDict) -> None:
    """Raises UsageError where the devices cannot share a batch, or the state, evenly."""
    devices, size = jax.device_count(), config.data.batch_size
    parts, shards = config.train.microbatches, config.train.state_shards
    unit, what = devices, f"the {devices} devices"
    if parts > 1:
        unit *= parts * config.train.packing
        what += f" times {parts} microbatches"
        what += f" times packs of {config.train.packing}" if config.train.packing > 1 else ""
    if config.seeds == 1 and size % unit:
        below, above = size // unit * unit, (size // unit + 1) * unit
        nearest = f"{below} or {above}" if below else above
        raise UsageError(
            f"config.data.batch_size must be a multiple of {what}, such as {nearest}; got {size}"
        )
    if devices % shards:
        raise UsageError(
            f"config.train.state_shards must divide the {devices} devices; got {shards}"
        )
    if config.seeds > 1 and shards > 1:
        raise UsageError(
            f"config.train.state_shards={shards}: of {config.seeds} seeds each has its devices; "
            "train one seed, or leave it 1"
        )


def check_microbatches(config: ConfigDict, game: AdversarialGame) -> None:
    """Raises UsageError where the mean over parts of a batch is not what the whole batch gives."""
    if config.train.microbatches == 1:
        return
    _, variables, memories = jax.eval_shape(game.init, jax.random.key(0), example_batch(config))
    wholes = {
        "batch norm in the generator": "batch_stats" in variables["gen"],
        "a discriminator that mixes examples (disc.norm='batch', disc.minibatch)": (
            game.disc.mixes_examples
        ),
        f"the loss {config.loss!r}": config.loss == "relativistic_average",
        "top_k": config.top_k.least < 1,
        f"what is remembered of batches ({', '.join(memories)})": bool(memories),
        "terms of a whole batch": any(term.term.of_batch for term in game.terms),
        "terms of the generator's parameters": any(
            term.term.gen and "params" in term.term.needs("gen") for term in game.terms
        ),
    }
    if found := [what for what, there in wholes.items() if there]:
        raise UsageError(
            f"config.train.microbatches={config.train.microbatches}: {' and '.join(found)} need "
            "the whole batch at once; set it to 1 (train.remat and more devices save memory too)"
        )


def seeds_of(config: ConfigDict) -> int:
    """`Run.seeds`: 0 of one run."""
    return config.seeds if config.seeds > 1 else 0


@contextmanager
def mended_by_user(what: str) -> Iterator[None]:
    """Errors that a wrong config causes in the code that it names, as one line."""
    try:
        yield
    except UsageError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, AssertionError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        if isinstance(error, ValueError):  # written for the user, as ours are
            raise UsageError(line) from error
        raise UsageError(f"{what}: {line} (JAXGAN_TRACEBACK=1 shows where)") from error


def build_dataset(config: ConfigDict) -> Dataset:
    """The data set that `config.data` names, its images in the resolution that it asks for."""
    load = choose("data set", DATASETS, config.data.name)
    kwargs = keywords(load, config.data, drop=("name", "batch_size", "flip", *RESOLVED))
    dataset = load(**kwargs)
    if not isinstance(dataset, Dataset):
        raise UsageError(f"data set {config.data.name!r} returned {dataset!r}; expected a Dataset")
    return dataset


def resolve(config: ConfigDict, dataset: Dataset) -> ConfigDict:
    """The config with the shape and size of the data, so that it builds the networks by itself."""
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.data.image_shape = tuple(dataset.image_shape)
        if dataset.gather is None and not dataset.is_points:
            resolved.data.resolution = dataset.image_shape[0]
            resolved.data.channels = dataset.image_shape[-1]
        resolved.data.num_classes = dataset.num_classes if config.data.labels else 0
        resolved.data.num_examples = dataset.num_examples
        vectors = dataset.label_vectors if config.data.labels else ()
        resolved.data.label_vectors = tuple(tuple(map(float, row)) for row in vectors)
    return resolved.lock()


def build_game(config: ConfigDict) -> AdversarialGame:
    """The game of a resolved config.

    Raises:
      UsageError: an unknown name, an argument that something does not take, or networks that
        cannot make the images of the data set.
    """
    with mended_by_user("these networks and terms do not fit together"):
        kind, networks = build_networks(config)
        game = kind(
            **networks,
            loss=choose("loss", LOSSES, config.loss),
            terms=tuple(
                build_term(name, scaled(name, config), config.train.steps)
                for name in sorted(config.terms)
            ),
            augments=tuple(
                (name, build_augment(name, config.augment[name], config.train.steps))
                for name in sorted(config.augment)
            ),
            packing=config.train.packing,
            gen_mean=partial(top_k_mean, **config.top_k) if config.top_k.least < 1 else mean,
            schedule=("disc",) * config.train.disc_turns + ("gen",) * config.train.gen_turns,
            dtype=config.train.dtype,
            remat=config.train.remat,
            disc_weight=config.loss_weight.disc,
            gen_weight=config.loss_weight.gen,
            label_vectors=label_vectors(config),
        )
        jax.eval_shape(game.init, jax.random.key(0), example_batch(config))
    return game


def build_networks(config: ConfigDict) -> tuple[type[AdversarialGame], dict[str, nn.Module]]:
    """The kind of game, and its `gen` and `disc`."""

    def make(player: str, shape: tuple[int, ...], **extra) -> nn.Module:
        fields = {name: value for name, value in config[player].items() if name != "name"}
        classes = config.data.num_classes
        kind = network(player, config[player].name)
        return kind(image_shape=shape, num_classes=classes, **extra, **fields)

    *space, channels = config.data.image_shape
    gen = make("gen", (*space, channels))
    packing = config.train.packing
    if not config.enc:
        disc = make("disc", (*space, channels * packing))
        return AdversarialGame, {"gen": gen, "disc": disc}
    enc = make("enc", (*space, channels), latent_dim=gen.latent_dim)
    disc = make("disc", (*space, (channels + gen.latent_dim) * packing))
    return BidirectionalGame, {"gen": WithEncoder(gen, enc), "disc": disc}


def example_batch(config: ConfigDict) -> Batch:
    """The shapes of a batch, without the data."""
    size = config.data.batch_size
    batch = {"image": jax.ShapeDtypeStruct((size, *config.data.image_shape), jnp.float32)}
    classes = config.data.num_classes
    if classes and label_vectors(config):
        batch["label"] = jax.ShapeDtypeStruct((size, classes), jnp.float32)
    elif classes:
        batch["label"] = jax.ShapeDtypeStruct((size,), jnp.int32)
    return batch


def label_vectors(config: ConfigDict) -> tuple[tuple[float, ...], ...]:
    """Some labels of the data, where they are vectors; () where they are classes, or none."""
    return config.data.get("label_vectors", ())


def build_term(name: str, fields: Mapping[str, Any], steps: int) -> WeightedTerm:
    """A term under its own name, or under another when it has the field `name`.

    steps: of the training.
    """
    chosen = term(fields.get("name", name))
    if "player" in fields:
        chosen = chosen.of(fields["player"])
    weights = {field: fields[field] for field in TERM if field != "weight_by"}
    return WeightedTerm(
        name=name,
        term=chosen.with_options({k: v for k, v in fields.items() if k not in TERM}),
        **weights | {"steps": fields["steps"] or steps},
    )


def scaled(name: str, config: ConfigDict) -> dict[str, Any]:
    """The fields of a term, with the weight that it has for these images and this batch."""
    fields = dict(config.terms[name])
    rule = choose(f"rule (config.terms.{name}.weight_by)", WEIGHTS, fields["weight_by"])
    factor = rule(math.prod(config.data.image_shape[:-1]), config.data.batch_size)
    return fields | {"weight": factor * fields["weight"]}


def scaled_weights(config: ConfigDict) -> list[str]:
    """A line for each term of a resolved config whose weight depends on images and batch."""
    sides = "x".join(map(str, config.data.image_shape[:-1]))
    return [
        f"terms.{name}: weight {scaled(name, config)['weight']:.6g} = {fields.weight:g} * {sides} "
        f"pixels / {config.data.batch_size} images"
        for name, fields in sorted(config.terms.items())
        if fields.weight_by == "size"
    ]


def build_augment(name: str, fields: Mapping[str, Any], steps: int) -> Augmentation:
    """An augmentation under its own name, or under another when it has the field `name`.

    steps: of the training, with which a schedule ends whose `steps` is 0.
    """
    options = {field: value for field, value in fields.items() if field != "name"}
    if not options.get("steps", 1):
        options["steps"] = steps
    return augmentation(fields.get("name", name)).with_options(options)


def build_method(config: ConfigDict) -> Callable:
    """`(game, optimizers, *, ema) -> step`: the method that the config names, with its options."""
    make = method(config.method.name).make
    make = partial(make, **keywords(make, config.method, drop=("name",)))
    if config.train.microbatches == 1:
        return make
    return in_microbatches(make, config.train.microbatches, config.train.packing)


def build_ema(config: ConfigDict) -> Ema:
    """How the generator is averaged: a decay, or a half-life in images."""
    fields, turns = config.train, config.train.disc_turns
    if not fields.ema_half_life:
        return fields.ema
    with mended_by_user("config.train.ema_schedule"):
        return half_life(
            fields.ema_half_life,
            images=config.data.batch_size * turns,
            ramp=fields.ema_ramp,
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
    if not (fields.workdir or fields.freeze or fields.skip):
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


def build_optimizers(config: ConfigDict) -> dict[str, Optimizer]:
    """Both players' optimizers; steps of the config become updates of the player."""
    optimizers, updates = {}, method(config.method.name).updates
    for player in ("disc", "gen"):
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


class TrainingEvaluator(NamedTuple):
    """Scores of the averaged generator by `config.eval`, as `eval/<name>`."""

    scorer: Scorer
    make_fakes: FakeMaker
    count: int
    labels: np.ndarray | None
    watched: str
    lower_is_better: bool

    def __call__(self, ema: Any, key: jax.Array) -> dict[str, float]:
        scored = self.scorer(self.make_fakes(ema, self.count, key, self.labels))
        return {f"eval/{name}": value for name, value in scored.values.items()}


def build_evaluator(config: ConfigDict, game: AdversarialGame, dataset: Dataset) -> Evaluator:
    """What scores the averaged generator while it is trained.

    The latents are the same at every call, and so are the classes of a conditional generator,
    which are as frequent as in the data.
    """
    fields = config.eval
    real = images_of(dataset, min(fields.num_real, dataset.num_examples))
    scorer = build_scorer(
        fields.metrics, fields.protocol, fields.features, real, weights=fields.weights
    )
    if scorer.asks_for("fake_labels") and not config.data.num_classes:
        raise UsageError("a metric needs classes of the fakes; set data.labels=True, or drop it")
    watched, lower = scorer.watched
    return TrainingEvaluator(
        scorer=scorer,
        make_fakes=FakeMaker(game),
        count=fields.num,
        labels=fake_labels(real.labels, fields.num) if config.data.num_classes else None,
        watched=f"eval/{watched}",
        lower_is_better=lower,
    )


def build_scorer(
    metrics: Sequence[str],
    protocol: str,
    features: str,
    real: Images,
    *,
    held_out: Images | None = None,
    weights: str = "",
    verify: bool = True,
    features_of: Callable = features_of,
) -> Scorer:
    """A scorer of what these names say. features: "" for metrics that need no network."""
    chosen = choose("protocol", PROTOCOLS, protocol)
    network = None
    if features:
        description = choose("feature network", FEATURES, features)
        network = chosen.of(description).load(weights, verify=verify)
    return Scorer(
        metrics,
        protocol=chosen,
        network=network,
        real=real,
        held_out=held_out,
        features_of=features_of,
    )


def fake_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """Labels of `count` fakes, as frequent as among the real ones."""
    return np.resize(labels, (count, *labels.shape[1:]))
