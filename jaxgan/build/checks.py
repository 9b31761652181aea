"""What of a config the devices or a part of a batch cannot do, and the errors of it as one line."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import jax
from flax.errors import FlaxError
from ml_collections import ConfigDict

from jaxgan.build.data import example_batch
from jaxgan.errors import UsageError, first_line
from jaxgan.games.adversarial import AdversarialGame
from jaxgan.games.terms import asks_generator

# What a wrong name, shape or value raises in networks and terms, ours or the user's.
MENDED = (ValueError, TypeError, AttributeError, KeyError, AssertionError, FlaxError)


@contextmanager
def mended_by_user(what: str) -> Iterator[None]:
    """Errors that a wrong config causes in the code that it names, as one line."""
    try:
        yield
    except UsageError:
        raise
    except MENDED as error:
        line = first_line(error)
        if isinstance(error, ValueError):  # written for the user, as ours are
            raise UsageError(line) from error
        raise UsageError(f"{what}: {line} (JAXGAN_TRACEBACK=1 shows where)") from error


def check_batch(config: ConfigDict) -> None:
    """Raises UsageError where the devices cannot share a batch, or the state, evenly."""
    devices, size = jax.device_count(), config.data.batch_size
    parts, shards = config.train.microbatches, config.train.state_shards
    factors = {}
    if config.seeds == 1 and devices > 1:  # of many each has its whole batch on one device
        factors[f"the {devices} devices"] = devices
    if parts > 1:
        factors[f"{parts} microbatches"] = parts
        if config.train.packing > 1:
            factors[f"packs of {config.train.packing}"] = config.train.packing
    unit, what = math.prod(factors.values()), " times ".join(factors)
    if size % unit:
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


def check_unrolling(config: ConfigDict, game: AdversarialGame) -> None:
    """Raises UsageError where the unrolled updates would meet lazy terms all at once."""
    lazy = [f"terms.{term.name}.interval" for term in game.terms if term.interval > 1]
    if config.method.name == "unrolled" and lazy:
        raise UsageError(
            "method.name='unrolled' plays all updates of a step with a lazy term, at its multiple "
            f"weight, or all without; set {' and '.join(lazy)} to 1"
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
            asks_generator(term.term) for term in game.terms
        ),
    }
    if found := [what for what, there in wholes.items() if there]:
        raise UsageError(
            f"config.train.microbatches={config.train.microbatches}: the whole batch at once is "
            f"what is needed for {' and '.join(found)}; set it to 1 (train.remat and more devices "
            "save memory too)"
        )
