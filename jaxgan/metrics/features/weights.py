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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A file of weights on this machine.

    Attributes:
      sha256: of its content; part of what a score must state.
      verified: whether it is the published file, bit for bit.
    """

    path: pathlib.Path
    sha256: str
    verified: bool


def find_weights(
    published: Published, path: str | pathlib.Path = "", *, verify: bool = True
) -> Found:
    """The file at `path` where given, else from the cache folder, else downloaded there.

    verify: whether a file at `path` that is not the published one is an error; without it the
    answer says so, and no score with such weights should bear the network's name.

    Raises:
      UsageError: `path` is not there; a file has another SHA-256; the download fails. The message
        says what to download, from where, its SHA-256, and where to put it.
    """
    kept = cache_folder() / published.file
    cure = (
        f"download {published.url} (SHA-256 {published.sha256}) and put it at {kept}, or give its"
        " path as weights"
    )
    if path:
        return check_weights(published, path, cure, verify=verify)
    if not kept.is_file():
        _download(published, kept, cure)
    return check_weights(published, kept, cure)


def check_weights(
    published: Published, path: str | pathlib.Path, cure: str, *, verify: bool = True
) -> Found:
    """The file at `path`, which must be the published one if `verify`.

    Raises:
      UsageError: it is not there, or not that; `cure` ends the message.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise UsageError(f"no file of weights {path}; {cure}")
    found = sha256_of(path)
    verified = found == published.sha256
    if verify and not verified:
        raise UsageError(f"{path} has SHA-256 {found}: it is not {published.file}; {cure}")
    return Found(path=path, sha256=found, verified=verified)


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


def _download(published: Published, target: pathlib.Path, cure: str) -> None:
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
                f"{published.url} gave a file of SHA-256 {found}: damaged, or another one; {cure}"
            )
        part.replace(target)
    except (requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot download {published.file} ({reason}); {cure}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
