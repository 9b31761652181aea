"""Downloads a data set and prepares it for TFDS, without TensorFlow.

    python -m jaxgan.data.prepare --name cifar10 --dir DIR

Without a network, put the published files into DIR/downloads/manual first.
"""

import argparse
import os
import pathlib
import sys

import requests
import tensorflow_datasets as tfds

from jaxgan.data.builders import BUILDERS
from jaxgan.errors import UsageError, unknown

_SECONDS = 20


def prepare(name: str, dir: str = "") -> pathlib.Path:
    """Downloads and prepares a data set, unless it is there; returns its folder.

    Args:
      name: a key of `BUILDERS`.
      dir: TFDS's data_dir; "" for its usual place.

    Raises:
      UsageError: the name is unknown, the download fails or is not what it should be, or the
        folder cannot be written.
    """
    if name not in BUILDERS:
        raise unknown("data set to prepare", name, BUILDERS)
    config = tfds.download.DownloadConfig(force_checksums_validation=True, try_download_gcs=False)
    try:
        builder = BUILDERS[name](
            data_dir=os.path.expanduser(dir) or None, file_format="array_record"
        )
        if not builder.info.splits:
            _check_reachable(builder)
        builder.download_and_prepare(download_config=config)
    except (
        tfds.download.download_manager.NonMatchingChecksumError,
        tfds.download.DownloadError,
        requests.RequestException,
        OSError,
    ) as error:
        raise UsageError(f"cannot prepare {name!r}: {' '.join(str(error).split())}") from error
    return pathlib.Path(builder.data_dir)


def _check_reachable(builder: tfds.core.DatasetBuilder) -> None:
    """Raises UsageError if a file that is not here yet cannot be had.

    TFDS would find out too, after ten retries in three and a half minutes.
    """
    downloads = pathlib.Path(builder.data_dir).parents[1] / "downloads"
    for url, expected in builder.url_infos.items():
        cached = tfds.download.resource.get_dl_fname(url, expected.checksum)
        by_hand = downloads / "manual" / expected.filename
        if by_hand.exists() or (downloads / builder.name / cached).exists():
            continue
        try:
            requests.head(url, timeout=_SECONDS, allow_redirects=True).raise_for_status()
        except requests.RequestException as error:
            raise UsageError(
                f"cannot download {url} ({type(error).__name__}); connect to the network, "
                f"or get the file elsewhere and put it at {by_hand}"
            ) from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help=", ".join(BUILDERS))
    parser.add_argument("--dir", default="", help="TFDS's data_dir (default: its usual place)")
    flags = parser.parse_args(arguments)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        path = prepare(flags.name, flags.dir)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"prepared in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
