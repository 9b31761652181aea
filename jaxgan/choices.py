"""Choosing by name: from a module-level dict, or "package.module:name" for code of elsewhere."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jaxgan.errors import UsageError, unknown


def choose(kind: str, table: Mapping[str, Any], name: str) -> Any:
    """The entry `name` of `table`, or the object that "package.module:name" names.

    Raises:
      UsageError: there is none; the message lists what there is.
    """
    if ":" not in str(name):
        if name not in table:
            raise unknown(kind, name, table)
        return table[name]
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{kind} {name!r}: cannot import {module_name!r} ({error}); "
            "expected 'package.module:name' on the Python path"
        ) from error
    found = vars(module).get(attribute)
    if not callable(found) and type(found) not in map(type, table.values()):
        entries = " or ".join(sorted({type(entry).__name__ for entry in table.values() if entry}))
        raise UsageError(
            f"{kind} {name!r}: module {module_name!r} has no function or {entries} {attribute!r}"
        )
    return found


def options_of(function: Callable) -> dict[str, Any]:
    """The parameters of `function` that have defaults, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
