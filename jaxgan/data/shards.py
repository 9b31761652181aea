"""A TFDS data set in array_record files, written group by group, without TensorFlow.

What is written stands in `<out>.preparing` until it is complete. Every group of examples becomes a
part file for each split; when they are on disk, a line of `journal.jsonl` says what the group held.
A run that was killed goes on after the last whole line, and writes again what follows it. At the
end parts become shards, the metadata are written, and the folder gets its name in one instant.
"""

import fcntl
import json
import os
import pathlib
import re
import shutil
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

from jaxgan.errors import Failure, UsageError

# Of TFDS's own writer: records are compressed one by one, for random access.
_OPTIONS = "group_size:1"
_JOURNAL = "journal.jsonl"


class Split(NamedTuple):
    """What a group holds of a split: examples, and their bytes."""

    count: int
    size: int


class Shards:
    """The data set that is being written to `out`.

    header: whatever decides the result; a run goes on only where it is the same.

    Raises:
      UsageError: `out` is there already; it was begun with another header, or another process
        writes it.
    """

    def __init__(self, out: pathlib.Path, header: dict[str, Any]):
        self._out = out
        self._work = out.with_name(out.name + ".preparing")
        self._data = self._work / "data"
        self.name = dataset_name(out.name)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out} is there already; name another folder, or remove it")
        self._data.mkdir(parents=True, exist_ok=True)
        self._journal = open(self._work / _JOURNAL, "a+")
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process prepares {out}; wait for it, or stop it") from None
        self.groups = self._go_on(header)

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *error) -> None:
        self._journal.close()

    def _go_on(self, header: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines of whole groups; a torn last one goes."""
        self._journal.seek(0)
        lines, whole = [], 0
        for text in self._journal.read().splitlines(keepends=True):
            try:
                line = json.loads(text) if text.endswith("\n") else None
            except ValueError:
                line = None
            if not isinstance(line, dict):
                break
            lines.append(line)
            whole += len(text.encode())
        self._journal.truncate(whole)
        if not lines:
            self._note(header)
            return []
        begun = lines[0]
        if changed := [k for k in header.keys() | begun.keys() if header.get(k) != begun.get(k)]:
            raise UsageError(
                f"{self._work} was begun with other {', '.join(sorted(changed))}; finish it as it "
                "was begun, remove that folder, or name another --out"
            )
        return lines[1:]

    def _note(self, line: dict[str, Any]) -> None:
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def group(self) -> "Group":
        """The next group, which counts from its `commit` on."""
        return Group(self, len(self.groups))

    def committed(self, line: dict[str, Any]) -> None:
        self._note(line)
        self.groups.append(json.loads(json.dumps(line)))

    def finish(self, features: Any, description: str, report: dict[str, Any]) -> None:
        """Makes the data set of the parts. report: goes into its folder as preparation.json."""
        infos = []
        for split in sorted({split for group in self.groups for split in group["splits"]}):
            held = {n: Split(*group["splits"][split]) for n, group in enumerate(self.groups)
                    if split in group["splits"]}  # fmt: skip
            template = tfds.core.ShardedFileTemplate(
                dataset_name=self.name,
                data_dir=self._data,
                split=split,
                filetype_suffix="array_record",
            )
            for index, number in enumerate(held):
                shard = template.sharded_filepath(shard_index=index, num_shards=len(held))
                if (part := self.part(split, number)).exists():
                    part.rename(shard)
            infos.append(
                tfds.core.SplitInfo(
                    name=split,
                    shard_lengths=[part.count for part in held.values()],
                    num_bytes=sum(part.size for part in held.values()),
                    filename_template=template,
                )
            )
        tfds.folder_dataset.write_metadata(
            data_dir=self._data,
            features=features,
            split_infos=infos,
            check_data=False,  # that needs TensorFlow
            description=description,
        )
        (self._data / "preparation.json").write_text(json.dumps(report, indent=2) + "\n")
        for path in self._data.iterdir():
            _to_disk(path)
        if self._out.exists():
            self._out.rmdir()
        self._data.rename(self._out)
        self.discard()

    def discard(self) -> None:
        """Removes what was written."""
        shutil.rmtree(self._work, ignore_errors=True)

    def part(self, split: str, number: int) -> pathlib.Path:
        return self._work / f"{split}-{number:06d}.part"


class Group:
    """Examples that are written as they come, to a part file for each split."""

    def __init__(self, shards: Shards, number: int):
        self._shards, self._number = shards, number
        self._writers: dict[str, ArrayRecordWriter] = {}
        self._held: dict[str, Split] = {}

    def add(self, split: str, record: bytes) -> None:
        if split not in self._writers:
            path = self._shards.part(split, self._number)
            self._writers[split] = ArrayRecordWriter(str(path), _OPTIONS)
            self._held[split] = Split(0, 0)
        self._writers[split].write(record)
        count, size = self._held[split]
        self._held[split] = Split(count + 1, size + len(record))

    def commit(self, line: dict[str, Any]) -> None:
        """Closes the parts, and notes what they hold with what else is to be remembered.

        Raises:
          Failure: a part is not whole.
        """
        for split, writer in self._writers.items():
            path, count = self._shards.part(split, self._number), self._held[split].count
            try:
                writer.close()
                _to_disk(path)
                whole = _count(path) == count
            except RuntimeError:  # the reader's, of a file without an end
                whole = False
            if not whole:
                raise Failure(
                    f"{path} could not be written whole; when there is room, the same command "
                    "goes on from there"
                )
        self._shards.committed(line | {"splits": self._held})


def _to_disk(path: pathlib.Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _count(path: pathlib.Path) -> int:
    reader = ArrayRecordReader(str(path))
    try:
        return reader.num_records()
    finally:
        reader.close()


def dataset_name(folder: str) -> str:
    """A name that TFDS allows, like that of the folder: "My flowers" is my_flowers."""
    name = re.sub(r"\W+", "_", folder, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"images_{name}".rstrip("_")
