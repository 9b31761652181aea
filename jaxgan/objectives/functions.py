"""What terms and augmentations have in common: functions that a config has options for."""

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any, Self


class Functions:
    """A frozen dataclass some of whose fields are functions with keyword-only options."""

    @property
    def functions(self) -> dict[str, Callable]:
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in own.items() if callable(value)}

    def with_options(self, options: dict[str, Any]) -> Self:
        """The same with these options; each function gets those that it takes."""
        bound = {}
        for name, fn in self.functions.items():
            taken = inspect.signature(fn).parameters
            bound[name] = partial(fn, **{k: v for k, v in options.items() if k in taken})
        return replace(self, **bound)
