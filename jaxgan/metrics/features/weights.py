"""Where the weights of feature networks come from, and that they are the ones meant.

A path that the user gives, the cache folder ($JAXGAN_CACHE or ~/.cache/jaxgan/weights), or a
download into it. The SHA-256 is verified wherever the file comes from.
"""

import dataclasses
import hashlib
import os
import pathlib
import tempfile

import numpy as np
import requests
from safetensors import SafetensorError
from safetensors.numpy import load_file

from jaxgan.errors import UsageError
from jaxgan.metrics.features.pth import read_pth

_CHUNK = 2**20  # bytes
_TIMEOUT = 30  # seconds without a byte


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A file of weights as its authors publish it.

    Attributes:
      file: its name in the cache folder.
      url: where it is to be had.
      sha256: of its content, 64 hexadecimal digits.
    """

    file: str
    url: str
    sha256: str


def cache_folder() -> pathlib.Path:
    """$JAXGAN_CACHE, or ~/.cache/jaxgan/weights."""
    given = os.environ.get("JAXGAN_CACHE")
    return pathlib.Path(given or "~/.cache/jaxgan/weights").expanduser()


def sha256_of(path: str | pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_weights(published: Published, path: str | pathlib.Path = "") -> pathlib.Path:
    """The verified file: `path` where given, else from the cache folder, else downloaded there.

    Raises:
      UsageError: `path` is not there; a file has another SHA-256; the download fails. The message
        says what to download, from where, its SHA-256, and where to put it.
    """
    if path:
        path = pathlib.Path(path).expanduser()
        if not path.is_file():
            raise UsageError(f"no file of weights {path}; {_cure(published)}")
        _verify(path, published)
        return path
    kept = cache_folder() / published.file
    if kept.is_file():
        _verify(kept, published)
        return kept
    _download(published, kept)
    return kept


def load_arrays(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The named arrays of a `.safetensors` file, or of a `.pth` or `.pt` file.

    Raises:
      UsageError: the file is not that, or is damaged.
    """
    path = pathlib.Path(path)
    if path.suffix != ".safetensors":
        return read_pth(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise UsageError(f"{path} is no readable file of safetensors ({error})") from error


def _cure(published: Published) -> str:
    return (
        f"download {published.url} (SHA-256 {published.sha256}) and put it at"
        f" {cache_folder() / published.file}, or name it as weights"
    )


def _verify(path: pathlib.Path, published: Published) -> None:
    if (found := sha256_of(path)) != published.sha256:
        raise UsageError(
            f"{path} has SHA-256 {found}: it is not {published.file}; {_cure(published)}"
        )


def _download(published: Published, target: pathlib.Path) -> None:
    """Streams to a file beside `target`, which takes its name only when its SHA-256 is right."""
    print(f"downloading {published.url} to {target}", flush=True)
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            part = pathlib.Path(file.name)
            with requests.get(published.url, stream=True, timeout=_TIMEOUT) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
        if (found := sha256_of(part)) != published.sha256:
            raise UsageError(
                f"{published.url} gave a file of SHA-256 {found}: it is damaged or another one;"
                f" {_cure(published)}"
            )
        part.replace(target)
    except (requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"cannot download {published.file} ({reason}); {_cure(published)}"
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
