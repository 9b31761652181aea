"""A run that begins with the networks of another, some parts kept as they are or begun anew.

Parts are named by patterns of paths: `player/layer/.../array`, as in disc/Conv_0/kernel, with the
wildcards of shells (`*`, which matches slashes too, `?`, `[0-2]`). A pattern that names a layer
means all below it: disc/Block_[01] means disc/Block_0/Conv_0/kernel among others. What a layer
keeps besides parameters, such as batch statistics, goes by the layer's path.

Freezing the lower layers of the discriminator is FreezeD (Mo et al. 2020).
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import tree_flatten_with_path, tree_map_with_path

from jaxgan.engine.checkpoint import Checkpoints, find_checkpoint
from jaxgan.engine.step import TrainState
from jaxgan.errors import UsageError, unknown

PARTS = ("params", "variables", "ema")  # of the state: what is taken over
SHOWN = 12  # paths of one kind in a message
Keys = tuple[str, ...]


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether any pattern names the path, or something above it."""
    return any(
        fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, f"{pattern}/*")
        for pattern in (pattern.rstrip("/") for pattern in patterns)
    )


def frozen(
    transform: optax.GradientTransformation, player: str, patterns: Sequence[str]
) -> optax.GradientTransformation:
    """`transform`, but the parameters of `player` that a pattern names never change.

    To it their gradients are 0: they count in no norm and move no moment. Its state has the form
    that it always has. The compiler drops what would compute those gradients.
    """

    def still(tree: Any) -> Any:
        def of(path, leaf):
            name = "/".join((player, *_keys(path)))
            return jnp.zeros_like(leaf) if matches(name, patterns) else leaf

        return tree_map_with_path(of, tree)

    def update(updates, state, params=None):
        updates, state = transform.update(still(updates), state, params)
        return still(updates), state

    return optax.GradientTransformation(transform.init, update) if patterns else transform


def check_patterns(params: Mapping[str, Any], field: str, patterns: Sequence[str]) -> None:
    """Raises UsageError for a pattern that names none of `params`, by player, abstract or not."""
    paths = ["/".join(keys) for keys in _flat(params)]
    for pattern in patterns:
        if not any(matches(path, [pattern]) for path in paths):
            layers = {path.rpartition("/")[0] for path in paths}
            raise unknown(f"part of the networks (config.init.{field})", pattern, layers)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Puts the parameters, variables and averaged generator of another run into a first state.

    Optimizers, step, key and what terms remember stay the new run's own.

    workdir: of the other run. checkpoint: "last", "best" or a step. member: which of its seeds.
    skip: patterns of what stays the new run's own, too.
    seeds: of the new run, see `Run`; all of them begin with the same.
    """

    workdir: Path
    checkpoint: str = "last"
    member: int = 0
    skip: tuple[str, ...] = ()
    seeds: int = 0

    def __call__(self, state: TrainState) -> TrainState:
        """Raises UsageError as `check` does."""
        self.check(state)
        with self._found() as (checkpoints, step):
            sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
            wanted = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
                checkpoints.shapes(step, ("step", *PARTS)),
            )
            taken = _flat(checkpoints.read(step, wanted))
        of_many = self._of_many()

        def of(path, leaf):
            keys = _keys(path)
            if matches(_name(keys), self.skip):
                return leaf
            value = taken[keys][self.member] if of_many else taken[keys]
            value = jnp.broadcast_to(jnp.asarray(value, leaf.dtype), leaf.shape)
            return jax.device_put(value, leaf.sharding)

        return state.replace(**tree_map_with_path(of, _parts(state)))

    def check(self, state: TrainState) -> None:
        """Compares a state, abstract or not, with what is there, and reads no array.

        Raises:
          UsageError: there is no such checkpoint, or arrays of it are missing, too many or of
            another shape; the message names them.
        """
        with self._found() as (checkpoints, step):
            there = self._shapes(checkpoints.shapes(step, PARTS), self._of_many())
        here = self._shapes(_parts(state), bool(self.seeds))
        both = here.keys() & there.keys()
        kinds = {
            "of another shape": [
                f"{name} {_size(there[name])}, here {_size(here[name])}"
                for name in both
                if here[name] != there[name]
            ],
            "missing there": [f"{n} {_size(here[n])}" for n in here.keys() - both],
            "not wanted here": [f"{n} {_size(there[n])}" for n in there.keys() - both],
        }
        wrong = [f"{kind}: {_some(sorted(names))}" for kind, names in kinds.items() if names]
        if wrong:
            raise UsageError(
                f"config.init.workdir={self.workdir} does not fit these networks; "
                f"{'; '.join(wrong)}; name what is to begin anew in config.init.skip"
            )

    def _shapes(self, parts: Mapping[str, Any], of_many: bool) -> dict[str, tuple[int, ...]]:
        """The shapes of arrays that are to be taken over, by name."""
        shapes = {_name(keys): tuple(leaf.shape) for keys, leaf in _flat(parts).items()}
        return {
            name: shape[1:] if of_many else shape
            for name, shape in shapes.items()
            if not matches(name, self.skip)
        }

    def _of_many(self) -> bool:
        """Whether the arrays of the other run have a first axis of seeds."""
        try:
            seeds = json.loads((self.workdir / "config.json").read_text()).get("seeds", 1)
        except (OSError, ValueError, AttributeError) as error:
            raise UsageError(
                f"config.init.workdir={self.workdir} holds no run ({error})"
            ) from error
        if not 0 <= self.member < seeds:
            raise UsageError(f"config.init.member must be in 0..{seeds - 1}; got {self.member}")
        return seeds > 1

    @contextmanager
    def _found(self) -> Iterator[tuple[Checkpoints, int]]:
        with (
            Checkpoints(self.workdir / "checkpoints") as regular,
            Checkpoints(self.workdir / "best") as best,
        ):
            try:
                found = find_checkpoint(self.workdir, self.checkpoint, regular, best)
            except UsageError as error:
                raise UsageError(f"config.init.workdir: {error}") from error
            yield found


def _parts(state: TrainState) -> dict[str, Any]:
    return {part: getattr(state, part) for part in PARTS}


def _flat(tree: Any) -> dict[Keys, Any]:
    return {_keys(path): leaf for path, leaf in tree_flatten_with_path(tree)[0]}


def _keys(path) -> Keys:
    return tuple(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)


def _name(keys: Keys) -> str:
    """player/layer/.../array of a place in the state; those of the average are the generator's."""
    part, *rest = keys
    if part == "ema":
        part, rest = rest[0], ["gen", *rest[1:]]
    if part == "variables":  # player, collection, layers
        rest = [rest[0], *rest[2:]]
    return "/".join(rest)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
