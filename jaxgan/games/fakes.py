"""A generator's images as a set to be scored or saved."""

from typing import Any

import jax
import numpy as np

from jaxgan.games.adversarial import AdversarialGame
from jaxgan.keys import fold
from jaxgan.metrics.features import quantize
from jaxgan.metrics.scoring import Images
from jaxgan.metrics.scoring.images import BATCH


class FakeMaker:
    """Draws sets of fakes of one game's generators; compiles once."""

    def __init__(self, game: AdversarialGame):
        self._game = game

        @jax.jit
        def draw(generator, latents, labels, key):
            images = game.sample(
                generator["params"], generator["variables"], latents, labels, fold(key, "noise")
            )
            return quantize(images) if images.ndim == 4 else images  # points are no pictures

        self._draw = draw

    def __call__(
        self,
        generator: Any,
        count: int,
        key: jax.Array,
        labels: np.ndarray | None = None,
        name: str = "fakes",
    ) -> Images:
        """`count` images of `generator` ({"params", "variables"}), a function of the key.

        Whatever the generator draws is drawn anew for each, in batches that do not depend on what
        is read, so that image i is always the same.

        labels: [count, ...] for a conditional generator.
        """
        latents = np.asarray(self._game.latents(fold(key, "latents"), count))
        size = min(BATCH, count)  # one shape, also for the last batch

        def batch(number: int) -> np.ndarray:
            chosen = np.arange(number * size, (number + 1) * size) % count
            of_classes = None if labels is None else labels[chosen]
            own = jax.random.fold_in(key, number)
            return np.asarray(self._draw(generator, latents[chosen], of_classes, own))

        def read(begin: int, end: int) -> np.ndarray:
            first, last = begin // size, -(-end // size)
            images = np.concatenate([batch(number) for number in range(first, last)])
            return images[begin - first * size : end - first * size]

        return Images(name=name, count=count, read=read, labels=labels)
