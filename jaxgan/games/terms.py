"""The terms of a game: their weights, and how they join the players' losses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.engine.step import Metrics
from jaxgan.keys import fold
from jaxgan.objectives.schedules import scheduled
from jaxgan.objectives.terms import SOWN, Term, needs


@dataclass(frozen=True, kw_only=True)
class WeightedTerm:
    """A term of the game: `weight * mean(term)` is added to the loss of each of its players.

    With an interval n it is evaluated at every n-th step only, with n times the weight, which
    leaves its mean strength as it is (Karras et al. 2020, "lazy regularization").

    schedule: of the weight, a name in SCHEDULES: to `final` times the weight at step `steps`.
    """

    name: str
    term: Term
    weight: float
    interval: int = 1
    schedule: str = "constant"
    final: float = 1.0
    steps: int = 0

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError(f"terms.{self.name}.interval must be at least 1; got {self.interval}")
        if self.final < 0:
            raise ValueError(f"terms.{self.name}.final must not be negative; got {self.final}")
        scheduled(1.0, 1.0, schedule=self.schedule, steps=self.steps)

    def weight_at(self, step: jax.Array) -> jax.Array | float:
        if self.schedule == "constant":
            return self.weight
        end = self.final * self.weight
        return scheduled(self.weight, end, schedule=self.schedule, steps=self.steps)(step)


class Made(NamedTuple):
    """Fakes, with what else of the generator terms ask for; gradients go back through all of it.

    near: by term, images of latents that it chose. params: the generator's own, or None.
    """

    fakes: Any
    near: dict[str, jax.Array]
    params: Any


def made(fakes: Any) -> Made:
    """Fakes with what else there is of them; nothing, where a game's terms ask for no more."""
    return fakes if isinstance(fakes, Made) else Made(fakes, {}, None)


def asks_generator(term: Term) -> bool:
    """Whether it needs the generator itself in the generator's loss, beside its fakes."""
    return term.gen is not None and not {"params", "styled"}.isdisjoint(term.needs("gen"))


def memories(terms: Iterable[WeightedTerm]) -> dict[str, Any]:
    """What the terms remember before training, by name."""
    return {term.name: term.term.first() for term in terms if term.term.first}


def join(
    terms: Iterable[WeightedTerm],
    player: str,
    seen: Mapping[str, Any],
    memory: Mapping[str, Any],
    key: jax.Array,
) -> tuple[jax.Array | float, Metrics, dict[str, Any]]:
    """What the terms add to the player's loss, the unweighted mean of each, and the new memories.

    seen: what is offered to all terms, None where there is none; `near` by term.
    memory: of all terms, by name.

    Raises:
      ValueError: a term needs what is not there.
    """
    total, metrics, memory = 0.0, {}, dict(memory)
    for weighted in terms:
        name, term = weighted.name, weighted.term
        if player not in term.players:
            continue

        def call(fn, name=name):
            own = {"key": fold(key, name), "near": seen["near"].get(name)}
            offered = seen | own | {"memory": memory.get(name)}
            return fn(**{need: ask(name, need, offered) for need in needs(fn)})

        if term.update:
            memory[name] = call(term.update)
        values = call(getattr(term, player))
        if term.first and not term.update:
            values, memory[name] = values
        value = jnp.mean(values)
        weight = weighted.weight_at(seen["step"])
        total += weight * weighted.interval * value
        metrics[name] = value
        if weighted.schedule != "constant":
            metrics[f"{name}_weight"] = weight
    return total, metrics, memory


def ask(term: str, need: str, offered: Mapping[str, Any]) -> Any:
    """What a term needs.

    Raises:
      ValueError: it is not there.
    """
    if offered[need] is not None:
        return offered[need]
    mend = {"labels": "data.labels=True", "styled": "gen.name='stylegan2'"} | {
        f"{side}_{name}": mend for name, mend in SOWN.items() for side in ("real", "fake")
    }
    raise ValueError(
        f"term {term!r} needs {need}, which is not there; it takes {mend.get(need, 'another game')}"
    )
