"""The game of a config: networks, loss, terms and augmentations."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
from ml_collections import ConfigDict

from jaxgan.build.checks import mended_by_user
from jaxgan.build.data import example_batch, label_vectors
from jaxgan.choices import choose
from jaxgan.errors import UsageError
from jaxgan.games.adversarial import AdversarialGame, mean
from jaxgan.games.bidirectional import BidirectionalGame, WithEncoder
from jaxgan.games.terms import WeightedTerm
from jaxgan.objectives.augment import Augmentation
from jaxgan.objectives.losses import LOSSES, Loss
from jaxgan.objectives.top_k import top_k_mean
from jaxgan.objectives.weights import WEIGHTS
from jaxgan.schema import TERM, augmentation, network, term


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
            loss=build_loss(config.loss),
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


def build_loss(name: str) -> Loss:
    """The loss of that name.

    Raises:
      UsageError: there is none; code of elsewhere must name a `Loss`, which holds both functions.
    """
    loss = choose("loss", LOSSES, name)
    if not isinstance(loss, Loss):
        raise UsageError(f"config.loss={name!r} is no Loss(disc=..., gen=...); got {loss!r}")
    return loss


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
