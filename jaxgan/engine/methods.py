"""The ways to step, by name."""

from collections.abc import Callable
from typing import NamedTuple

from jaxgan.engine.consensus import make_consensus_step
from jaxgan.engine.extragradient import UPDATES, make_extragradient_step
from jaxgan.engine.simultaneous import make_simultaneous_step
from jaxgan.engine.step import TrainStep, make_train_step
from jaxgan.engine.unrolled import make_unrolled_step


class Method(NamedTuple):
    """make: `(game, optimizers, *, ema, ...) -> step`; its other options are fields of the config.

    updates: of a player's optimizer in one of its turns, which learning rates are counted in.
    """

    make: Callable[..., TrainStep]
    updates: int = 1


METHODS: dict[str, Method] = {
    "alternating": Method(make_train_step),
    "simultaneous": Method(make_simultaneous_step),
    "unrolled": Method(make_unrolled_step),
    "extragradient": Method(make_extragradient_step, updates=UPDATES),
    "consensus": Method(make_consensus_step),
}
