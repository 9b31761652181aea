"""The folder of a run: where it is, what was trained in it, whether it may go on."""

import os
import time
from pathlib import Path

from ml_collections import ConfigDict

from jaxgan.config import differences, from_json
from jaxgan.errors import UsageError

CONFIG = "config.json"
# A run may be extended. With a falling learning rate that changes the rates of what follows.
MAY_CHANGE = ("train.steps", "train.rollbacks", "checkpoint.retry_seconds")
# So may what a run needs of its devices, of which there may be others the next time.
MAY_CHANGE += ("train.microbatches", "train.remat", "train.state_shards", "train.cpu_devices")


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


def check_config(workdir: Path, config: ConfigDict) -> None:
    """Raises UsageError where another config was trained in `workdir`; the message says which."""
    if not (workdir / CONFIG).exists():
        return
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
        raise UsageError(f"{path}: {error}") from error
