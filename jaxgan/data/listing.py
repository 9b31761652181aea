"""The files of a folder or of a zip archive, by name, and the labels that go with them.

Names are relative to the source, with "/" between their parts. Nothing is extracted: members of an
archive are read by name, into memory, and no name of an archive is ever one of the file system.
"""

import csv
import hashlib
import io
import lzma
import os
import pathlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from jaxgan.data.folder import SPLITS, SUFFIXES, BadImage
from jaxgan.data.labelling import in_order
from jaxgan.data.npz import FREE, RATIO
from jaxgan.errors import UsageError

# Bytes of one file. Images of MAX_PIXELS are smaller unless nothing in them was compressed.
MAX_BYTES = 2**28
Skipped = tuple[str, str]  # name, reason


class Files(Protocol):
    """Files that are read one by one, by several threads at once.

    names: of those that may be images, sorted. skipped: the others.
    """

    names: list[str]
    skipped: list[Skipped]

    def stamp(self, name: str) -> str:
        """What changes when the file does."""

    def read(self, name: str) -> bytes:
        """Raises BadImage where that is impossible."""


def open_source(source: str | pathlib.Path) -> Files:
    """The files below a folder, or in a zip archive.

    Raises:
      UsageError: it is neither, or an archive that declares far more than it can hold.
    """
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return FolderFiles(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return ZipFiles(path)
    what = "is no zip archive" if path.exists() else "does not exist"
    raise UsageError(f"--source {path} {what}; name a folder of images, or a .zip of them")


class FolderFiles:
    """All files below a folder; links to folders are not followed."""

    def __init__(self, root: pathlib.Path):
        self._root = root
        self.names, self.skipped = _sorted_out(self._walk())

    def _walk(self) -> Iterable[tuple[str, str]]:
        for folder, inner, files in os.walk(self._root):
            for name in [name for name in inner if name.startswith(".")]:
                inner.remove(name)
                yield self._relative(folder, name) + "/", ""
            for name in files:
                path = os.path.join(folder, name)
                what = "" if os.path.isfile(path) else "no plain file"
                yield self._relative(folder, name), what

    def _relative(self, *parts: str) -> str:
        return pathlib.Path(*parts).relative_to(self._root).as_posix()

    def stamp(self, name: str) -> str:
        found = (self._root / name).stat()
        return f"{found.st_size} {found.st_mtime_ns}"

    def read(self, name: str) -> bytes:
        try:
            with open(self._root / name, "rb") as file:
                return _limited(file)
        except OSError as error:
            raise BadImage("unreadable", error.strerror or str(error)) from error


class ZipFiles:
    """All members of a zip archive. A folder that holds all the others is left out of the names."""

    def __init__(self, path: pathlib.Path):
        try:
            self._zip = zipfile.ZipFile(path)
            members = [info for info in self._zip.infolist() if not info.is_dir()]
        # A damaged directory may hold any numbers and names.
        except (OSError, ValueError, struct.error, zipfile.BadZipFile, NotImplementedError,
                OverflowError, MemoryError) as error:  # fmt: skip
            raise UsageError(f"{path} is no readable zip archive ({error})") from error
        declared, size = sum(info.file_size for info in members), path.stat().st_size
        if declared > FREE + RATIO * size:
            raise UsageError(
                f"{path} declares {declared} bytes in a file of {size}: no images are compressed "
                "so far"
            )
        top = _common_folder([info.filename for info in members])
        self._members: dict[str, zipfile.ZipInfo] = {}
        reasons = {}
        for info in members:
            name = info.filename.removeprefix(top)
            if name in self._members:
                reasons[name] = "its name occurs twice"
            else:
                self._members[name] = info
                reasons[name] = _why_not(info)
        self.names, self.skipped = _sorted_out(reasons.items())

    def stamp(self, name: str) -> str:
        return f"{self._members[name].file_size} {self._members[name].CRC}"

    def read(self, name: str) -> bytes:
        try:
            with self._zip.open(self._members[name]) as file:
                return _limited(file)
        except BadImage:
            raise
        # What zipfile and its decompressors raise for damaged, encrypted and unknown members.
        except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, struct.error,
                zipfile.BadZipFile, zlib.error, lzma.LZMAError, MemoryError) as error:  # fmt: skip
            raise BadImage("unreadable", str(error) or type(error).__name__) from error


def _limited(file) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadImage("too many bytes", f"more than {MAX_BYTES}")
    return data


def _why_not(info: zipfile.ZipInfo) -> str:
    """Why a member cannot be an image; "" where it can."""
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or "" in parts or ":" in parts[0] or "\0" in info.filename:
        return "a name that leads out of the archive"
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "no plain file"
    if info.file_size > MAX_BYTES:
        return f"more than {MAX_BYTES} bytes"
    return ""


def _common_folder(names: list[str]) -> str:
    """ "photos/" where every name begins with it, but for what macOS adds; else ""."""
    tops = {name.split("/")[0] for name in names if not name.startswith("__MACOSX/")}
    inside = all("/" in name for name in names)
    return f"{tops.pop()}/" if len(tops) == 1 and inside and "" not in tops else ""


def _sorted_out(found: Iterable[tuple[str, str]]) -> tuple[list[str], list[Skipped]]:
    """Of (name, why it can be no image, or ""): names of images, and the others with reasons."""
    names, skipped = [], []
    for name, reason in found:
        parts = name.split("/")
        if not reason and any(part.startswith(".") or part == "__MACOSX" for part in parts):
            reason = "hidden"
        if not reason and not name.lower().endswith(SUFFIXES):
            reason = "not an image, by its suffix"
        if reason:
            skipped.append((name, reason))
        else:
            names.append(name)
    return sorted(names), sorted(skipped)


class Labels(NamedTuple):
    """of: name -> class, for every image that is kept; None where there are no labels.

    skipped: images without a label. unused: names that have a label and are not there.
    """

    of: dict[str, str] | None
    classes: list[str]
    skipped: list[Skipped]
    unused: list[str]


def find_labels(files: Files, given: str) -> Labels:
    """Labels from a CSV file, or from sub-folders.

    Args:
      given: a CSV file with the columns `file` (a name in the source) and `label`; "none" for no
        labels; or "": the first-level sub-folders are the classes where every image lies in one,
        and there are no labels where one does not.

    Raises:
      UsageError: the CSV file cannot be used; sub-folders are named as splits are.
    """
    if given == "none":
        return Labels(None, [], [], [])
    if given:
        of = _read_csv(given)
        skipped = [(name, f"no label in {given}") for name in files.names if name not in of]
        known = set(files.names)
        kept = {name: label for name, label in of.items() if name in known}
        return Labels(kept, in_order(kept.values()), skipped, sorted(of.keys() - known))
    tops = {name.split("/")[0] for name in files.names}
    if not files.names or not all("/" in name for name in files.names):
        return Labels(None, [], [], [])
    if tops <= set(SPLITS):
        raise UsageError(
            f"the folders {', '.join(sorted(tops))} are splits and no classes; give one of them as "
            "--source, or --labels none for all images without labels"
        )
    of = {name: name.split("/")[0] for name in files.names}
    return Labels(of, in_order(of.values()), [], [])


def _read_csv(path: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    try:
        text = pathlib.Path(path).expanduser().read_text("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text), strict=True)
        columns = rows.fieldnames or []
        if not {"file", "label"} <= set(columns):
            raise UsageError(
                f"{path}: the first line names {', '.join(columns) or 'nothing'}; "
                "expected the columns file,label"
            )
        for row in rows:
            name, label = (row["file"] or "").strip(), (row["label"] or "").strip()
            if not name or not label or "\n" in label:
                raise UsageError(f"{path}, line {rows.line_num}: expected a file and its label")
            name = pathlib.PurePosixPath(name.replace("\\", "/")).as_posix()
            if labels.setdefault(name, label) != label:
                raise UsageError(f"{path}: {name} is labelled {labels[name]} and {label}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read --labels {path} ({error})") from error
    return labels


def digest(files: Files, names: Iterable[str]) -> str:
    """A hash of what is to be read, to tell whether a run may go on."""
    found = hashlib.sha256()
    for name in names:
        found.update(f"{name}\0{files.stamp(name)}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest()
