"""What the programs share: flags whose errors are one line, and exit statuses."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxgan.engine.distributed import is_first, leave, several
from jaxgan.errors import Failure, Stopped, UsageError

# What --help says of the flags that are no flags of a program.
OF_FIELDS = (
    "Any field of the config is --config.FIELD=VALUE, such as --config.optim.gen.lr=1e-4; "
    "jaxgan.main --dry_run shows all of them."
)


class Parser(argparse.ArgumentParser):
    """Errors as UsageError; no abbreviations, so that a mistyped flag is an error."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str):
        raise UsageError(message)


def _without_late_writes(unraisable: Any) -> None:
    """Of a save that failed, the writes that end after it find the loop of events closed."""
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a program, whose errors are one line on the error stream.

    The exit status is 2 for wrong input, 1 for a run that cannot go on, 42 for one that was asked
    to stop and did, 130 for an interrupted program, and 141 for one whose reader has gone.

    With JAXGAN_TRACEBACK=1 it is the whole traceback, for who writes a network or a loss.
    """
    import jax
    from absl import logging

    if os.environ.get("JAXGAN_TRACEBACK"):
        logging.set_verbosity(logging.ERROR)  # Orbax warns of what we ask of it
    else:
        logging.set_verbosity(logging.FATAL)  # it tells in a traceback what a line of ours tells
        sys.unraisablehook = _without_late_writes
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if cache is None:
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache/jaxgan/xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except Stopped as stopped:
        if is_first():
            print(stopped, file=sys.stderr)
        sys.exit(42)  # all processes stop after the same step, and wait for each other
    except BrokenPipeError:  # of `| head`; Python would flush to it once more at its end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        leave(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        leave(130)
    except Exception as error:
        told = isinstance(error, UsageError | Failure | OSError)  # a line says it all
        if told and not os.environ.get("JAXGAN_TRACEBACK"):
            print(f"error: {error}", file=sys.stderr)
        elif told or several():
            traceback.print_exc()
        else:
            raise
        leave(2 if isinstance(error, UsageError) else 1)
