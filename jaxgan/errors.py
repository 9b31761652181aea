"""How things end that do not end well: each as one line that says what happened and what to do."""

import difflib
import sys
from collections.abc import Iterable


class UsageError(ValueError):
    """Wrong input. The programs print the message as one line and exit with status 2."""


class Failure(Exception):
    """A run that cannot go on. The programs print the message as one line, exit status 1."""


class Stopped(Exception):
    """A run that was asked to stop, and did. The programs print the message, exit status 42."""


def unknown(kind: str, name: str, options: Iterable[str]) -> UsageError:
    """The error for a name that is not among `options`, with the nearest one suggested."""
    options = sorted(options)
    near = difflib.get_close_matches(str(name), options, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return UsageError(f"unknown {kind} {name!r}{hint} choose from {', '.join(options)}")


def first_line(error: BaseException) -> str:
    """What an error says, in at most 200 characters; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def warn(message: str) -> None:
    """A line of what is wrong and was mended."""
    print(f"warning: {message}", file=sys.stderr, flush=True)
