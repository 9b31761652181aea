"""The folder of a run: where it is, what was trained in it, whether it may go on."""

import os
import time
from pathlib import Path

from ml_collections import ConfigDict

from jaxgan.config import differences, from_json, to_json
from jaxgan.errors import UsageError

CONFIG = "config.json"
MAY_CHANGE = ("train.steps",)  # a run may be extended


def default_workdir(spec: str) -> Path:
    """runs/<config>-<time> of "configs/<config>.py:variant"."""
    name = Path(spec.partition(":")[0]).stem
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def check_workdir(workdir: Path) -> None:
    """Raises UsageError where `workdir` cannot be made or written to; makes nothing."""
    for folder in (workdir, *workdir.absolute().parents):
        if folder.exists():
            if not folder.is_dir():
                raise UsageError(f"--workdir {workdir}: {folder} is a file; name a folder")
            if not os.access(folder, os.W_OK):
                raise UsageError(f"--workdir {workdir}: {folder} is not writable; choose another")
            return


def open_workdir(workdir: Path, config: ConfigDict, *, force: bool) -> None:
    """Makes the folder and writes the resolved config, or checks that it is the one trained before.

    Raises:
      UsageError: another config was trained there, and not `force`.
    """
    path = workdir / CONFIG
    if path.exists() and not force:
        changed = [
            line
            for line in differences(read_config(workdir), config)
            if line.partition(":")[0] not in MAY_CHANGE
        ]
        if changed:
            raise UsageError(
                f"--workdir {workdir} was trained with another config ({'; '.join(changed)}); "
                "choose another workdir, or go on with --force"
            )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(config) + "\n")
    except OSError as error:
        raise UsageError(f"--workdir {workdir} is not writable: {error.strerror}") from error


def read_config(workdir: Path) -> ConfigDict:
    """The resolved config of a run.

    Raises:
      UsageError: there is no run.
    """
    path = workdir / CONFIG
    if not path.is_file():
        raise UsageError(f"--workdir {workdir} holds no run: {path} is missing")
    try:
        return from_json(path.read_text())
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
