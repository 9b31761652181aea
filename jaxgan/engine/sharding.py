"""Where arrays live: a mesh over the devices, batches divided, the state on all or shared by some.

Nothing else in the package knows meshes or shardings, but the features of the metrics, which know
no training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxgan.engine.step import Batch, TrainState, Wrapped

AXES = ("data", "state")
DIVIDED = 4096  # elements from which on an array is worth dividing


def make_mesh(state_shards: int = 1) -> Mesh:
    """All devices of all processes, as a table: each has images of its own.

    state_shards: so many devices, a row, share one copy of the state; 1: each has all of it.
    """
    shape = (jax.device_count() // state_shards, state_shards)
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto, AxisType.Auto))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def on_all_devices(shapes: Any) -> Any:
    """Shapes of arrays that each device has whole. JAX traces a function anew for other places."""
    place = replicated(make_mesh())
    placed = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
    return jax.tree.map(placed, shapes)


def divided(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Of arrays whose axis of that number all devices share."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXES))


def of_state(leaf: Any, mesh: Mesh) -> NamedSharding:
    """Where an array of the state lives: divided where devices share it and it is large enough.

    It is divided along the largest of its dimensions that their number divides.
    """
    shards = mesh.shape["state"]
    sides = [axis for axis, side in enumerate(leaf.shape) if side % shards == 0]
    if shards == 1 or leaf.size < DIVIDED or not sides:
        return replicated(mesh)
    longest = max(sides, key=lambda axis: leaf.shape[axis])
    return NamedSharding(mesh, PartitionSpec(*[None] * longest, "state"))


def keep_in_place(state: Any, mesh: Mesh) -> Any:
    """The state where `of_state` has it; traceable."""
    keep = lambda leaf: jax.lax.with_sharding_constraint(leaf, of_state(leaf, mesh))
    return jax.tree.map(keep, state)


def divide(batches: Any, mesh: Mesh) -> Any:
    """Batches [draws, B, ...] with B divided over the devices; traceable."""
    return jax.lax.with_sharding_constraint(batches, divided(mesh, 1))


@dataclass(frozen=True, kw_only=True)
class Divided(Wrapped):
    """`game` whose draws are divided over the devices, as its batches are.

    A turn of the generator alone may see no data at all: without this each device would play all of
    it.
    """

    mesh: Mesh

    def draw(self, batch: Batch, key: jax.Array) -> Batch:
        return jax.lax.with_sharding_constraint(self.game.draw(batch, key), divided(self.mesh))

    def generate(self, gen_params: Any, state: TrainState, batch: Batch, key: jax.Array):
        return self.game.generate(gen_params, state, self.draw(batch, key), key)


class Placement:
    """How data get from each process's memory to the devices of all (data/feed.py)."""

    def __init__(self, mesh: Mesh):
        self._mesh = mesh

    def whole(self, arrays: Any) -> Any:
        """Arrays that every process has, on every device."""
        where = replicated(self._mesh)
        put = lambda array: jax.make_array_from_process_local_data(where, array, array.shape)
        return jax.tree.map(put, arrays)

    def rows(self, count: int) -> np.ndarray:
        """Those of `count` rows that are on this process's devices."""
        places = divided(self._mesh).addressable_devices_indices_map((count,)).values()
        return np.unique(np.concatenate([np.arange(count)[place] for (place,) in places]))

    def shared(self, arrays: Any, count: int) -> Any:
        """Arrays [draws, len(rows(count)), ...] of this process as its part of [draws, count, ...].

        The second axis is divided over the devices.
        """
        rows = self.rows(count)

        def put(array):
            def part(place):
                begin, end, _ = place[1].indices(count)
                first = np.searchsorted(rows, begin)
                return array[:, first : first + end - begin]

            shape = (len(array), count, *array.shape[2:])
            return jax.make_array_from_callback(shape, divided(self._mesh, 1), part)

        return jax.tree.map(put, arrays)


def here(tree: Any) -> Any:
    """Arrays of all processes as arrays of this one alone, to work with by itself.

    All must ask at once. Of one process they stay as they are.
    """
    if jax.process_count() == 1:
        return tree
    mesh = jax.tree.leaves(tree)[0].sharding.mesh
    whole = jax.jit(lambda tree: tree, out_shardings=replicated(mesh))(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), whole)


def over_shared_seeds(function: Callable, seeds: int, mesh: Mesh) -> Callable:
    """`function(state, inputs)` of one seed as one of many: states have a first axis of seeds.

    Each device has its seeds, and the whole of `inputs`. A GPU or TPU plays all of its own at once,
    by `jax.vmap`; a CPU one after the other, which leaves their products small enough for its
    caches (`devices_for` has figures) and convolutions without a batch of kernels.
    """
    one_by_one = mesh.devices.flat[0].platform == "cpu"

    def of_device(states: Any, inputs: Any) -> Any:
        if one_by_one:
            return jax.lax.map(lambda state: function(state, inputs), states)
        return jax.vmap(function, in_axes=(0, None))(states, inputs)

    if seeds % mesh.size:
        return of_device
    of_each, of_all = PartitionSpec(AXES), PartitionSpec()
    return jax.shard_map(
        of_device, mesh=mesh, in_specs=(of_each, of_all), out_specs=of_each, check_vma=False
    )
