"""Prepares a data set for TFDS, without TensorFlow: a published one, or one's own images.

    python -m jaxgan.data.prepare --name cifar10 --dir DIR
    python -m jaxgan.data.prepare --source DIR_OR_ZIP --out OUT --resolution 128

The first downloads; without a network, put the published files into DIR/downloads/manual before.
What the second does with images of all kinds is told in own.py. Its OUT is read with
`--config.data.name=tfds --config.data.dir=OUT`, and by `tfds.builder_from_directory(OUT)`. Killed,
it goes on where it stopped when it is started again.
"""

import argparse
import os
import pathlib
import sys
import traceback
from typing import NoReturn

import requests
import tensorflow_datasets as tfds

from jaxgan.data.builders import BUILDERS
from jaxgan.data.own import describe, prepare_images
from jaxgan.errors import Failure, UsageError, first_line, unknown

_SECONDS = 20
# Flags that go with --source alone, as --dir does with --name.
OF_SOURCES = ("out", "resolution", "crop", "channels", "resize", "labels", "held_out", "min_side",
              "keep_duplicates")  # fmt: skip


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
    parser = argparse.ArgumentParser(
        prog="python -m jaxgan.data.prepare",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.error = _refuse
    known = parser.add_argument_group("a published data set")
    known.add_argument("--name", help=", ".join(BUILDERS))
    known.add_argument("--dir", default="", help="TFDS's data_dir (default: its usual place)")
    own = parser.add_argument_group("your own images")
    own.add_argument("--source", help="a folder, or a .zip")
    own.add_argument("--out", help="the folder of the data set, which is made")
    own.add_argument("--resolution", type=int, default=0, help="side in pixels")
    own.add_argument("--crop", default="center", help="center, resize, pad or none")
    own.add_argument("--channels", type=int, default=3, help="1 grey, 3 RGB (default), 4 RGBA")
    own.add_argument("--resize", default="lanczos", help="filter: lanczos, bicubic, bilinear, ...")
    own.add_argument(
        "--labels", default="",
        help="CSV with columns file,label; none; default: sub-folders, where all images lie in one",
    )  # fmt: skip
    own.add_argument("--held_out", type=float, default=0.0, help="share that is the split test")
    own.add_argument("--min_side", type=int, help="least shorter side; default: resolution / 2")
    own.add_argument("--keep_duplicates", action="store_true", help="report them and keep them")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        flags = parser.parse_args(arguments)
        _check_kind(flags, parser)
        print(_prepare_own(flags) if flags.source else f"prepared in {_prepare_known(flags)}")
    except (UsageError, Failure) as error:
        if os.environ.get("JAXGAN_TRACEBACK"):
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        return 42
    return 0


def _refuse(message: str) -> NoReturn:
    raise UsageError(message)


def _check_kind(flags: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Raises UsageError unless the flags are those of a published set, or those of one's own."""
    if bool(flags.name) == bool(flags.source):
        raise UsageError("give --name, a published data set, or --source and --out")
    if flags.source and not flags.out:
        raise UsageError("--source goes with --out, the folder to make")
    kind, others = ("--source", OF_SOURCES) if flags.name else ("--name", ("dir",))
    for name in others:
        if getattr(flags, name) != parser.get_default(name):
            raise UsageError(f"--{name} is of {kind}, which is not given")


def _prepare_known(flags: argparse.Namespace) -> pathlib.Path:
    return prepare(flags.name, flags.dir)


def _prepare_own(flags: argparse.Namespace) -> str:
    try:
        report = prepare_images(
            flags.source,
            flags.out,
            resolution=flags.resolution,
            crop=flags.crop,
            channels=flags.channels,
            resize=flags.resize,
            labels=flags.labels,
            held_out=flags.held_out,
            min_side=flags.min_side,
            keep_duplicates=flags.keep_duplicates,
        )
    except OSError as error:
        raise Failure(
            f"{error.filename or flags.out}: {error.strerror or first_line(error)}; when that is "
            "mended, the same command goes on from there"
        ) from error
    return (
        f"{describe(report, flags.out)}\n"
        f"read it with --config.data.name=tfds --config.data.dir={flags.out}"
    )


if __name__ == "__main__":
    sys.exit(main())
