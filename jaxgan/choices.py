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
    except Exception as error:  # it is the user's module: whatever it raises is theirs to mend
        why = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"{kind} {name!r}: cannot import {module_name!r} ({why}); "
            "expected 'package.module:name' on the Python path"
        ) from error
    found = vars(module).get(attribute)
    objects = {type(entry) for entry in table.values() if entry and not callable(entry)}
    if not callable(found) and type(found) not in objects:
        wanted = " or ".join(["function", *sorted(kind.__name__ for kind in objects)])
        raise UsageError(f"{kind} {name!r}: module {module_name!r} has no {wanted} {attribute!r}")
    return found


def options_of(function: Callable) -> dict[str, Any]:
    """The parameters of `function` that have defaults, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
