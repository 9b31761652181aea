"""Gradient accumulation: a step that plays its batch in parts, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.engine.averaging import Ema
from jaxgan.engine.step import Batch, Game, Optimizer, TrainState, TrainStep, Wrapped


@dataclass(frozen=True, kw_only=True)
class InParts(Wrapped):
    """`game` on each of `parts` of a batch in turn; losses, gradients and memories are their means.

    Nothing of a part is kept but its gradient, which costs a second forward run: the memory is that
    of one part. What is drawn for an example, its latents, is drawn for the whole batch, so that
    the mean is the whole batch's; dropout, augmentations and what terms draw have other draws.
    A part takes every `parts`-th pack of `packing` examples, so that each device's share of the
    batch is made of shares of the parts.

    For losses that are means over examples; those of batch norm, say, are not.
    """

    parts: int
    packing: int = 1

    def generate(self, gen_params: Any, state: TrainState, batch: Batch, key: jax.Array):
        def one(part, key):
            return self.game.generate(gen_params, state, part, key)

        fakes, variables = self._each(one, self.game.draw(batch, key), key)
        return jax.tree.map(self._join, fakes), mean(variables)

    def disc_loss(self, disc_params: Any, fakes: Any, state: TrainState, batch: Batch, key):
        def one(part, key):
            return self.game.disc_loss(disc_params, part[0], state, part[1], key)

        return mean_loss(*self._each(one, (fakes, batch), key))

    def gen_loss(self, fakes: Any, disc_params: Any, state: TrainState, batch: Batch, key):
        def one(part, key):
            return self.game.gen_loss(part[0], disc_params, state, part[1], key)

        return mean_loss(*self._each(one, (fakes, batch), key))

    def _each(self, play: Callable, whole: Any, key: jax.Array) -> Any:
        """`play(part, key)` of every part, stacked."""
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(self.parts))
        parts = jax.tree.map(self._split, whole)
        return jax.lax.map(lambda one: jax.checkpoint(play)(*one), (parts, keys))

    def _split(self, array: jax.Array) -> jax.Array:
        """[B, ...] -> [parts, B / parts, ...]."""
        packs = array.reshape(-1, self.parts, self.packing, *array.shape[1:])
        return jnp.moveaxis(packs, 1, 0).reshape(self.parts, -1, *array.shape[1:])

    def _join(self, parts: jax.Array) -> jax.Array:
        """`_split` undone."""
        packs = parts.reshape(self.parts, -1, self.packing, *parts.shape[2:])
        return jnp.moveaxis(packs, 0, 1).reshape(-1, *parts.shape[2:])


def mean(stacked: Any) -> Any:
    """Over the parts, of metrics, memories and variables; counts are the same for every part."""

    def of(leaf):
        return leaf.mean(axis=0) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf[0]

    return jax.tree.map(of, stacked)


def mean_loss(losses: jax.Array, outcomes: Any) -> tuple[jax.Array, Any]:
    return losses.mean(), mean(outcomes)


def in_microbatches(
    make_step: Callable[..., TrainStep], parts: int, packing: int = 1
) -> Callable[..., TrainStep]:
    """`make_step` whose steps play each batch in so many parts."""

    def make(game: Game, optimizers: Mapping[str, Optimizer], *, ema: Ema = 0.0) -> TrainStep:
        return make_step(InParts(game=game, parts=parts, packing=packing), optimizers, ema=ema)

    return make
