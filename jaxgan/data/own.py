"""Makes a TFDS data set of one's own images: jaxgan.data.prepare --source.

The rules, in the order in which they apply to each file:

    name            hidden files, suffixes of no image, names that lead out of an archive: skipped
    size            more than 256 MiB, or more than 80 million pixels: skipped before decoding
    damage          whatever Pillow cannot decode to its end: skipped
    animation       its first frame
    EXIF            the orientation is applied; colour profiles are not
    too small       a shorter side of less than `min_side` (half of the resolution, unless given, so
                    that nothing is enlarged more than twice): skipped
    16 bit          grey becomes x / 257, rounded; of colour Pillow reads the upper byte;
                    floating-point pixels have no known range: skipped
    transparency    composited on white (palettes with it too), unless channels are 4
    channels        3: grey is repeated; 1: ITU-R 601 luma; CMYK and others as Pillow converts them
    crop            center: the largest central square; resize: squeezed to a square; pad: shrunk
                    with its aspect kept, black around it; none: as it is
    resize          Lanczos, antialiased, to resolution x resolution
    crop none       the image must have the resolution already, or where that is 0 the size of the
                    first that is kept: others are skipped
    duplicates      of images that are the same in every pixel now, the first is kept

The order of the files, and which are held out, follow from hashes of their names alone: a slice
such as train[:10%] is a fair sample, a file added later moves no other between the splits, and
"first" above is by that order.
"""

import hashlib
import io
import pathlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from PIL import Image

from jaxgan.data.folder import BadImage, decode, upright_8_bit
from jaxgan.data.listing import Files, Labels, digest, find_labels, open_source
from jaxgan.data.shaping import CROPS, Shaping
from jaxgan.data.shards import Group, Shards
from jaxgan.errors import UsageError, unknown

_GROUP = 4096  # files in a group, which is lost with a run that is killed in it
_AHEAD = 32  # images in memory at once
_THREADS = 4
VERSION = 1  # of the rules: what was begun by others is not gone on with


class Shaped(NamedTuple):
    """An image as it will be stored, and a hash of its pixels."""

    png: bytes
    pixels: str
    shape: tuple[int, int, int]


class Rules(NamedTuple):
    """What happens to an image; see above."""

    resolution: int
    channels: int
    crop: str
    resize: str
    min_side: int

    def check(self) -> None:
        """Raises UsageError where they make no sense."""
        if self.crop not in (*CROPS, "none"):
            raise unknown("crop", self.crop, (*CROPS, "none"))
        if self.resolution < 1 and self.crop != "none":
            raise UsageError("--resolution must be positive; 0 goes with --crop none alone")
        if self.channels not in (1, 3, 4):
            raise UsageError(f"--channels must be 1, 3 or 4; got {self.channels}")
        if self.min_side < 0:
            raise UsageError(f"--min_side must not be negative; got {self.min_side}")
        _ = self.shaping

    @property
    def shaping(self) -> Shaping:
        if self.crop == "none":
            return Shaping(channels=self.channels)
        return Shaping(
            resolution=self.resolution,
            channels=self.channels,
            crop=self.crop,
            resize=self.resize,
        )

    def shaped(self, files: Files, name: str) -> Shaped | BadImage:
        """The image of that name, or why there is none."""
        try:
            array = decode(io.BytesIO(files.read(name)), self._array)
        except BadImage as error:
            return error
        png = io.BytesIO()
        Image.fromarray(array[..., 0] if self.channels == 1 else array).save(png, "PNG")
        pixels = hashlib.blake2b(array.tobytes(), digest_size=16, key=str(array.shape).encode())
        return Shaped(png.getvalue(), pixels.hexdigest(), array.shape)

    def _array(self, image: Image.Image) -> np.ndarray:
        image = upright_8_bit(image)
        size = f"{image.width} x {image.height} pixels"
        if min(image.size) < self.min_side:
            raise BadImage("too small", size)
        if self.crop == "none" and self.resolution and set(image.size) != {self.resolution}:
            raise BadImage("another size", size)
        return self.shaping.image(image)


def prepare_images(
    source: str | pathlib.Path,
    out: str | pathlib.Path,
    *,
    resolution: int,
    crop: str = "center",
    channels: int = 3,
    resize: str = "lanczos",
    labels: str = "",
    held_out: float = 0.0,
    min_side: int | None = None,
    keep_duplicates: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Writes the images of `source` as a TFDS data set to `out`; returns the report.

    In memory are a few images, the names of all files, and a hash of each image. A run that was
    killed goes on where it stopped when it is started again, and ends in the same bytes.

    Args:
      source: a folder or a zip archive.
      out: the folder of the data set, which is not there yet.
      resolution, crop, channels, resize, min_side: see above.
      labels: a CSV file, "none", or "" for sub-folders: see `find_labels`.
      held_out: about so great a share of the images are the split "test"; the others are "train".
      keep_duplicates: they are reported and stay.
      progress: shows a bar where standard error is a terminal.

    Raises:
      UsageError: wrong arguments, a source or labels that cannot be used, no image that is left, or
        an `out` that is there already.
      Failure: the disk is full.
    """
    usual = 0 if crop == "none" else resolution // 2
    smallest = usual if min_side is None else min_side
    rules = Rules(resolution, channels, crop, resize, smallest)
    rules.check()
    if not 0 <= held_out < 1:
        raise UsageError(f"--held_out is a share in [0, 1); got {held_out}")
    files, out = open_source(source), pathlib.Path(out).expanduser()
    named = find_labels(files, labels)
    without = {name for name, _ in named.skipped}
    names = sorted(set(files.names) - without, key=lambda name: (_hash("order", name), name))
    if not names:
        reasons = _why_none(reason for _, reason in (*files.skipped, *named.skipped))
        raise UsageError(f"--source {source} holds no images{reasons}")
    header = {
        "version": VERSION,
        **rules._asdict(),
        "held_out": held_out,
        "keep_duplicates": keep_duplicates,
        "labels": _digest(str(sorted(named.of.items()))) if named.of else "",
        "files": digest(files, names),
    }
    writer = _Writer(files, rules, named, held_out, keep_duplicates)
    with Shards(out, header) as shards:
        seen = _Seen(shards.groups)
        done = sum(group["files"] for group in shards.groups)
        with tqdm.tqdm(
            total=len(names), initial=done, unit=" images", disable=None if progress else True
        ) as bar:
            for begin in range(done, len(names), _GROUP):
                writer.write(names[begin : begin + _GROUP], seen, shards.group(), bar)
        report = _report(source, files, named, shards.groups, header)
        if seen.shape is None:
            reasons = _why_none(entry["reason"] for entry in report["skipped"])
            shards.discard()
            raise UsageError(f"no image of --source {source} could be used{reasons}")
        shards.finish(_features(seen.shape, named), f"Images of {source}.", report)
    return report


class _Seen:
    """What must be known of the images before: their shape, and what pixels there were."""

    def __init__(self, groups: list[dict]):
        self._first: dict[str, str] = {}
        self.shape: tuple[int, int, int] | None = None
        for group in groups:
            self._first.update(group["pixels"])
            self.shape = tuple(group["shape"]) if group["shape"] else self.shape

    def twin(self, name: str, image: Shaped) -> str:
        """The first image with these pixels; "" where this is it."""
        first = self._first.setdefault(image.pixels, name)
        return "" if first == name else first

    def differs(self, image: Shaped) -> str:
        """How the shape differs from that of the first image, or ""."""
        self.shape = self.shape or image.shape
        if image.shape == self.shape:
            return ""
        (height, width, _), (first_height, first_width, _) = image.shape, self.shape
        return f"{width} x {height} pixels, the first has {first_width} x {first_height}"


class _Writer:
    """Writes groups of images."""

    def __init__(self, files: Files, rules: Rules, named: Labels, held_out: float, keep: bool):
        self._files, self._rules, self._named = files, rules, named
        self._held_out, self._keep = held_out, keep
        self._number = {label: i for i, label in enumerate(named.classes)}
        self._serializer = None

    def write(self, names: list[str], seen: _Seen, group: Group, bar: tqdm.tqdm) -> None:
        skipped: list[tuple[str, str, str]] = []
        duplicates: list[tuple[str, str]] = []
        pixels: dict[str, str] = {}
        labels: Counter[str] = Counter()
        for name, image in _read_ahead(self._files, self._rules, names):
            bar.update()
            if isinstance(image, BadImage):
                skipped.append((name, image.reason, image.detail))
            elif size := seen.differs(image):
                skipped.append((name, "another size", size))
            else:
                twin = seen.twin(name, image)
                if twin:
                    duplicates.append((name, twin))
                else:
                    pixels[image.pixels] = name
                if not twin or self._keep:
                    group.add(self._split(name), self._record(name, image))
                    labels.update([self._named.of[name]] if self._named.of else [])
        group.commit(
            {
                "files": len(names),
                "shape": seen.shape,
                "skipped": skipped,
                "duplicates": duplicates,
                "labels": labels,
                "pixels": pixels,
            }
        )

    def _split(self, name: str) -> str:
        return "test" if _hash("held out", name) < self._held_out * 2**64 else "train"

    def _record(self, name: str, image: Shaped) -> bytes:
        if self._serializer is None:
            self._features = _features(image.shape, self._named)
            info = self._features.get_serialized_info()
            self._serializer = tfds.core.example_serializer.ExampleSerializer(info)
        example = {
            "image": io.BytesIO(image.png), "name": name.encode("utf-8", "surrogateescape"),
        }  # fmt: skip
        if self._named.of:
            example["label"] = self._number[self._named.of[name]]
        proto = self._serializer.get_tf_example(self._features.encode_example(example))
        # The features of an example are a map, whose order differs from process to process.
        return proto.SerializeToString(deterministic=True)


def _features(shape: tuple[int, int, int], named: Labels) -> tfds.features.FeaturesDict:
    features = {"image": tfds.features.Image(shape=shape), "name": tfds.features.Text()}
    if named.of:
        features["label"] = tfds.features.ClassLabel(names=named.classes)
    return tfds.features.FeaturesDict(features)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(what: str, name: str) -> int:
    """64 bits that depend on the name alone, others for each use."""
    text = f"{what}\0{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def _read_ahead(
    files: Files, rules: Rules, names: list[str]
) -> Iterator[tuple[str, Shaped | BadImage]]:
    """The images of these names, in order, decoded by threads a few ahead of their use."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque = deque()
        try:
            for name in names:
                waiting.append((name, pool.submit(rules.shaped, files, name)))
                if len(waiting) == _AHEAD:
                    first, image = waiting.popleft()
                    yield first, image.result()
            while waiting:
                first, image = waiting.popleft()
                yield first, image.result()
        finally:
            for _, image in waiting:
                image.cancel()


def _report(
    source, files: Files, named: Labels, groups: list[dict], header: dict
) -> dict[str, Any]:
    """What was made of what, for people and for programs."""
    splits: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for group in groups:
        splits.update({name: count for name, (count, _) in group["splits"].items()})
        labels.update(group["labels"])
    skipped = [
        {"file": name, "reason": reason, "detail": detail}
        for name, reason, detail in [
            *((*pair, "") for pair in (*files.skipped, *named.skipped)),
            *(triple for group in groups for triple in group["skipped"]),
        ]
    ]
    return {
        "source": str(source),
        "rules": {name: value for name, value in header.items() if name not in ("labels", "files")},
        "splits": dict(sorted(splits.items())),
        "classes": {name: labels[name] for name in named.classes},
        "skipped": sorted(skipped, key=lambda entry: (entry["reason"], entry["file"])),
        "duplicates": sorted(
            ({"file": a, "of": b} for group in groups for a, b in group["duplicates"]),
            key=lambda entry: entry["file"],
        ),
        "labels_without_a_file": named.unused,
    }


def describe(report: dict[str, Any], out: str | pathlib.Path) -> str:
    """A few lines about a report."""
    total = sum(report["splits"].values())
    parts = ", ".join(f"{name} {count}" for name, count in report["splits"].items())
    classes = f", {len(report['classes'])} classes" if report["classes"] else ""
    lines = [f"prepared in {out}: {total} images ({parts}){classes}"]
    reasons: dict[str, list[dict]] = {}
    for entry in report["skipped"]:
        reasons.setdefault(entry["reason"], []).append(entry)
    for reason, entries in reasons.items():
        shown = (
            f"{entry['file']} ({entry['detail']})" if entry["detail"] else entry["file"]
            for entry in entries
        )
        lines.append(f"skipped {len(entries)}: {reason}: {_some(shown)}")
    if pairs := report["duplicates"]:
        kept = "kept" if report["rules"]["keep_duplicates"] else "left out"
        shown = (f"{pair['file']} = {pair['of']}" for pair in pairs)
        lines.append(f"{kept} {len(pairs)}: the same pixels as another: {_some(shown)}")
    if empty := [name for name, count in report["classes"].items() if not count]:
        lines.append(f"{len(empty)} classes have no image: {_some(empty)}")
    if unused := report["labels_without_a_file"]:
        lines.append(f"{len(unused)} labels have no file: {_some(unused)}")
    return "\n".join([*lines, f"all of it in {pathlib.Path(out) / 'preparation.json'}"])


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _why_none(skipped: Iterable[str]) -> str:
    """ ": 3 hidden, 1 unreadable" of reasons; "" of none."""
    counts = Counter(skipped)
    listed = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return f": {listed}" if listed else ""
