"""The file formats in which MNIST, Fashion-MNIST and CIFAR-10 are published.

Nothing is extracted: members are read by name, into memory, and no path of an archive is ever one
of the file system. What a file decompresses to is limited to what the real one holds, or little
more, so one that was made to fill the memory is refused.
"""

import contextlib
import gzip
import io
import math
import pathlib
import tarfile
import zlib
from collections.abc import Iterator

import numpy as np

from jaxgan.errors import UsageError

_CIFAR10_FOLDER = "cifar-10-batches-bin"
_CIFAR10_FILES = {
    "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
    "test": ["test_batch.bin"],
}
_CIFAR10_RECORD = 1 + 3 * 32 * 32
# Bytes: of the largest file of each kind, 60,000 images of 28 x 28 and 60,000 records, and a tenth.
_IDX_LIMIT = 52_000_000
_CIFAR10_LIMIT = 203_000_000


def read_idx(path: str | pathlib.Path) -> np.ndarray:
    """A gzipped IDX file of unsigned bytes: uint8 [N] labels or uint8 [N, H, W] images.

    Two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit integer, then the values.

    Raises:
      UsageError: the file is not that.
    """
    try:
        with gzip.open(path) as file:
            data = file.read(_IDX_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} is no readable gzip file ({error})") from error
    if len(data) > _IDX_LIMIT:
        raise UsageError(f"{path} decompresses to more than {_IDX_LIMIT} bytes: no file of these")
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise UsageError(f"{path} is no IDX file of unsigned bytes: it opens with {data[:4]!r}")
    start = 4 + 4 * data[3]
    header = data[4:start]
    shape = tuple(int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4))
    if len(data) != start + math.prod(shape):
        raise UsageError(
            f"{path} holds {len(data)} bytes, which its IDX header {shape} contradicts"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def cifar10_classes(path: str | pathlib.Path) -> list[str]:
    """The names of the classes in cifar-10-binary.tar.gz."""
    with _open_tar(path) as tar:
        return _member(tar, path, "batches.meta.txt").decode().split()


def read_cifar10(path: str | pathlib.Path, split: str) -> Iterator[tuple[int, np.ndarray]]:
    """(label, uint8 [32, 32, 3]) of each example of a split in cifar-10-binary.tar.gz.

    A record is one byte of label, then the red, the green and the blue plane, row by row.

    Raises:
      UsageError: the archive lacks a file, or a file holds no whole number of records.
    """
    with _open_tar(path) as tar:
        for name in _CIFAR10_FILES[split]:
            data = _member(tar, path, name)
            if not data or len(data) % _CIFAR10_RECORD:
                raise UsageError(
                    f"{name} in {path} holds {len(data)} bytes; "
                    f"expected a multiple of {_CIFAR10_RECORD}"
                )
            records = np.frombuffer(data, np.uint8).reshape(-1, _CIFAR10_RECORD)
            images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            yield from zip(records[:, 0].tolist(), images, strict=True)


class _Limited(io.RawIOBase):
    """A gzip file for reading, which ends in an error where it decompresses to too much."""

    def __init__(self, path: str | pathlib.Path):
        self._file = gzip.open(path)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_CIFAR10_LIMIT + 1 if size < 0 else min(size, _CIFAR10_LIMIT + 1))
        self._check()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset > _CIFAR10_LIMIT:
            raise EOFError(f"it decompresses to more than {_CIFAR10_LIMIT} bytes")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def _check(self) -> None:
        if self._file.tell() > _CIFAR10_LIMIT:
            raise EOFError(f"it decompresses to more than {_CIFAR10_LIMIT} bytes")


@contextlib.contextmanager
def _open_tar(path: str | pathlib.Path) -> Iterator[tarfile.TarFile]:
    try:
        with _Limited(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar
    except (OSError, EOFError, tarfile.TarError, zlib.error, MemoryError, OverflowError) as error:
        raise UsageError(f"{path} is no readable tar.gz archive ({error})") from error


def _member(tar: tarfile.TarFile, path: str | pathlib.Path, name: str) -> bytes:
    try:
        member = tar.getmember(f"{_CIFAR10_FOLDER}/{name}")
        if not member.isfile():  # a link may point anywhere, a pipe waits for ever
            raise tarfile.TarError("it is no plain file")
        return tar.extractfile(member).read()
    except (KeyError, OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise UsageError(f"no readable {_CIFAR10_FOLDER}/{name} in {path} ({error})") from error
