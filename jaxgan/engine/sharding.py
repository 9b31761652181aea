"""Where arrays live: a mesh over the devices, the state on all of them, batches divided.

Nothing else in the package knows meshes or shardings, but the features of the metrics, which know
no training.
"""

from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


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
