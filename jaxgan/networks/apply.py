"""The one place that runs a Linen module: arrays in, arrays and new variables out."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.keys import quick_to_compile

# What a network computes in. Parameters, variables and all that leaves it are float32 throughout.
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def _cast(tree: Any, dtype: Any) -> Any:
    """The floating-point arrays of `tree` in `dtype`, the others as they are."""
    is_float = lambda x: jnp.issubdtype(jnp.result_type(x), jnp.floating)
    return jax.tree.map(lambda x: x.astype(dtype) if is_float(x) else x, tree)


def init(module: nn.Module, key: jax.Array, *args) -> tuple[Any, Any]:
    """Parameters and variables of `module` for inputs shaped like `args`."""
    key = quick_to_compile(key)
    collections = module.init({"params": key, "dropout": key}, *args, train=True)
    params = collections.pop("params", {})
    collections.pop("intermediates", None)
    return params, collections


def apply(
    module: nn.Module,
    params: Any,
    variables: Any,
    *args,
    train: bool,
    key: jax.Array | None = None,
    dtype: str = "float32",
    remat: bool = False,
    method: str | None = None,
    **options,
) -> tuple[Any, Any, Any]:
    """Output, variables after the pass (changed only when `train`), and what the module sowed.

    key: randomness of the pass (dropout); needed when `train`.
    dtype: of the computation, a name in DTYPES. With bfloat16 the parameters and inputs are rounded
      on their way in; batch statistics, output and what was sown are float32 all the same.
    method: of the module that is run, with `train` and `options`; None: its `__call__`.
    remat: keep no activations of this pass for its gradient, which then passes forward once more.
    """
    if dtype != "float32":
        params, args = _cast((params, args), DTYPES[dtype])

    def forward(params, variables, key, *args):
        return module.apply(
            {"params": params, **variables},
            *args,
            train=train,
            rngs={"dropout": key} if key is not None else None,
            mutable=[*variables, "intermediates"] if train else ["intermediates"],
            method=method,
            **options,
        )

    forward = jax.checkpoint(forward) if remat else forward
    output, changed = forward(params, variables, key, *args)
    changed = dict(changed)
    sown = changed.pop("intermediates", {})
    if dtype != "float32":
        output, changed, sown = _cast((output, changed, sown), jnp.float32)
    return output, {**variables, **changed}, sown
