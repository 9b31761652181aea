"""A parameter of a layer, without the cost of tracing how it began wherever it is used."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.errors import ScopeParamShapeError


def param(
    layer: nn.Module, name: str, init: nn.initializers.Initializer, shape: tuple[int, ...]
) -> jax.Array:
    """`layer.param(name, init, shape, jnp.float32)`.

    Where the parameter is there already, Flax traces `init` to compare shapes, and some (orthogonal
    ones) are longer than the layer. Here shapes are compared and nothing is traced.
    """
    if not layer.has_variable("params", name):
        return layer.param(name, init, shape, jnp.float32)
    value = layer.get_variable("params", name)
    if value.shape != tuple(shape):
        raise ScopeParamShapeError(name, layer.scope.path_text, value.shape, tuple(shape))
    return value
