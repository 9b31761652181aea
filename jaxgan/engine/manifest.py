"""What a folder held when it was complete: the SHA-256 of each file.

The manifest is text as `sha256sum --check` reads it, in the folder itself, and ends with a comment
that holds the SHA-256 of the lines before. A folder is whole when it holds the files that the
manifest lists, bit for bit, and no others.
"""

import errno
import hashlib
import os
import re
from pathlib import Path

MANIFEST = "MANIFEST.sha256"
_LINE = re.compile(rb"([0-9a-f]{64})  (\S.*)\n")


def write_manifest(folder: Path) -> None:
    """Lists all files below `folder`, which then must not change any more."""
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in sorted(_files(folder))]
    text = "".join(lines).encode()
    (folder / MANIFEST).write_bytes(text + _signature(text))


def _signature(lines: bytes) -> bytes:
    return f"# {hashlib.sha256(lines).hexdigest()} of the lines above\n".encode()


def has_manifest(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def damage(folder: Path) -> str:
    """What is wrong with `folder`, the file named; "" of a whole one."""
    try:
        *lines, last = (folder / MANIFEST).read_bytes().splitlines(keepends=True)
        matches = [_LINE.fullmatch(line) for line in lines]
        if last != _signature(b"".join(lines)) or None in matches:
            return f"{MANIFEST} is damaged"
        listed = {match[2].decode(): match[1].decode() for match in matches}
        there = _files(folder)
        for name in sorted(listed.keys() | there):
            if name not in there:
                return f"{name} is missing"
            if name not in listed:
                return f"{MANIFEST} does not list {name}"
            if sha256_of(folder / name) != listed[name]:
                return f"{name} has another SHA-256 than when it was written"
    except ValueError:  # no line, or a name that is no text
        return f"{MANIFEST} is damaged"
    except OSError as error:
        return f"it cannot be read ({error})"
    return ""


def put_on_disk(folder: Path, *, deep: bool = True) -> None:
    """Returns when what the folder holds, with `deep` below it too, would outlast a power failure.

    File systems that know no such request, as those in memory, are left as they are.
    """
    for path in [*(folder.rglob("*") if deep else ()), folder]:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(file)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> set[str]:
    """Regular files alone: to open a pipe would wait for ever."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in paths} - {MANIFEST}
