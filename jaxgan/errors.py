"""What the user can mend: one line that says what was given, what was expected, what to do."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Wrong input. The programs print the message as one line and exit with status 2."""


def unknown(kind: str, name: str, options: Iterable[str]) -> UsageError:
    """The error for a name that is not among `options`, with the nearest one suggested."""
    options = sorted(options)
    near = difflib.get_close_matches(str(name), options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return UsageError(f"unknown {kind} {name!r}{hint} choose from {', '.join(options)}")
