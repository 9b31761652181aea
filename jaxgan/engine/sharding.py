"""Where arrays live: a mesh over the devices, the state on all of them, batches divided.

Nothing else in the package knows meshes or shardings, but the features of the metrics, which know
no training.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def divide_cores(seeds: int) -> None:
    """Before JAX is first used: makes CPU cores so many devices that they share the seeds evenly.

    A core that trains seeds of its own needs no other at each small matrix product: ten seeds of
    configs/pacgan_grid.py take 7.3 times as long as one on 2 cores so, and 8.7 times where both
    cores work at each product (experiments/mode_collapse). GPUs and TPUs are what they are.
    """
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = max(n for n in range(1, (cores or 1) + 1) if seeds % n == 0)
    if devices == 1 or chosen or jax.config.jax_num_cpu_devices > 0:
        return
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:
        pass  # JAX is in use already, as in a notebook: the seeds train on the devices there are


def make_mesh() -> Mesh:
    """All devices along one axis, "data"."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def divided(mesh: Mesh) -> NamedSharding:
    """Of arrays whose first axis the devices share."""
    return NamedSharding(mesh, PartitionSpec("data"))


def divide(batches: Any, mesh: Mesh) -> Any:
    """Batches [draws, B, ...] with B divided over the devices; traceable."""
    return jax.lax.with_sharding_constraint(
        batches, NamedSharding(mesh, PartitionSpec(None, "data"))
    )


def over_shared_seeds(function: Callable, seeds: int, mesh: Mesh) -> Callable:
    """`function(state, inputs)` of one seed as one of many: states have a first axis of seeds.

    Each device has its seeds, and the whole of `inputs`. A GPU or TPU plays all of its own at once,
    by `jax.vmap`; a CPU one after the other, which leaves their products small enough for its
    caches (`divide_cores` has figures) and convolutions without a batch of kernels.
    """
    one_by_one = mesh.devices.flat[0].platform == "cpu"

    def of_device(states: Any, inputs: Any) -> Any:
        if one_by_one:
            return jax.lax.map(lambda state: function(state, inputs), states)
        return jax.vmap(function, in_axes=(0, None))(states, inputs)

    if seeds % mesh.size:
        return of_device
    of_each, of_all = PartitionSpec("data"), PartitionSpec()
    return jax.shard_map(
        of_device, mesh=mesh, in_specs=(of_each, of_all), out_specs=of_each, check_vma=False
    )
