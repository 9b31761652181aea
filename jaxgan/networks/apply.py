"""The one place that runs a Linen module: arrays in, arrays and new variables out."""

from typing import Any

import flax.linen as nn
import jax


def init(module: nn.Module, key: jax.Array, *args) -> tuple[Any, Any]:
    """Parameters and variables of `module` for inputs shaped like `args`."""
    collections = module.init({"params": key, "dropout": key}, *args, train=True)
    params = collections.pop("params", {})
    collections.pop("intermediates", None)
    return params, collections


def apply(
    module: nn.Module, params: Any, variables: Any, *args, train: bool, key: jax.Array | None = None
) -> tuple[Any, Any, Any]:
    """Output, variables after the pass (changed only when `train`), and what the module sowed.

    key: randomness of the pass (dropout); needed when `train`.
    """
    output, changed = module.apply(
        {"params": params, **variables},
        *args,
        train=train,
        rngs={"dropout": key} if key is not None else None,
        mutable=[*variables, "intermediates"] if train else ["intermediates"],
    )
    changed = dict(changed)
    sown = changed.pop("intermediates", {})
    return output, {**variables, **changed}, sown
