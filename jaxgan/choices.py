"""Choosing by name: from a module-level dict, or "package.module:name" for code of elsewhere."""

import importlib
from collections.abc import Mapping
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
    except ImportError as error:
        raise UsageError(
            f"{kind} {name!r}: cannot import {module_name!r} ({error}); "
            "expected 'package.module:name' on the Python path"
        ) from error
    if attribute not in vars(module):
        raise UsageError(f"{kind} {name!r}: module {module_name!r} has no {attribute!r}")
    return vars(module)[attribute]
