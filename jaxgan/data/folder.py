"""Data sets that are folders of image files."""

import functools
import logging
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxgan.data.dataset import Dataset
from jaxgan.data.labelling import check_labels, in_order
from jaxgan.data.shaping import Shaping, parallel_map
from jaxgan.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# A file of a few kB can decode to gigabytes; Pillow itself starts to warn a little above this.
MAX_PIXELS = 80_000_000
# What TFDS writes into the folder of a data set that it prepared.
PREPARED = "dataset_info.json"
SPLITS = ("train", "test", "val", "valid", "validation")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def load_folder(
    *,
    dir: str = "",
    split: str = "train",
    resolution: int = 0,
    channels: int = 0,
    resize: str = "lanczos",
    crop: str = "center",
    labels: bool | None = None,
    on_bad_image: str = "raise",
    max_resident_mb: int = 2048,
) -> Dataset:
    """Reads every image below `dir`, in the order of their sorted paths.

    The first-level subfolders are the classes, in order; there are no labels when an image
    lies in `dir` itself. Where the subfolders are all named train, test, val, valid or validation,
    they are splits and `split` picks one; otherwise `dir` is the split "train".

    The EXIF orientation is applied, the first frame of an animation is taken, and 16-bit grey
    becomes 8-bit by x / 257, rounded.

    Args:
      dir: the folder.
      resolution: 0 leaves the images' own size, which then must be one for all.
      channels: 0 means grey if all files are grey, else RGB.
      resize, crop: see `Shaping`. labels: see `check_labels`.
      on_bad_image: "raise", or "skip" to leave unreadable files out with a warning that counts
        them.
      max_resident_mb: a larger set is decoded as it is used. Then "raise" raises when the bad
        file's turn comes, and "skip" costs one decoding of everything at the start.

    Raises:
      UsageError: the folder is missing or empty, or a file cannot be read.
    """
    if on_bad_image not in ("raise", "skip"):
        raise UsageError(f"on_bad_image is {on_bad_image!r}; expected 'raise' or 'skip'")
    shaping = Shaping(resolution=resolution, channels=channels, resize=resize, crop=crop)
    root = _root(dir, split)
    paths = _image_paths(root)
    if not paths and (root / PREPARED).exists():
        raise UsageError(
            f"{root} is a prepared data set and no folder of images; read it with "
            f"--config.data.name=tfds --config.data.dir={root}"
        )
    if not paths:
        raise UsageError(f"no images in {root}; expected files that end in {', '.join(SUFFIXES)}")
    found, skip = len(paths), on_bad_image == "skip"
    if skip and not resolution:
        paths = _from_first_readable(paths, shaping)
    if not channels:
        paths, channels = _own_channels(paths, skip)
        shaping = Shaping(resolution=resolution, channels=channels, resize=resize, crop=crop)
    files = ImageFiles(paths, shaping, same_size=not resolution)
    if len(paths) * int(np.prod(files.shape)) <= max_resident_mb * 2**20:
        kept, images = _read_all(files, skip)
        paths = [paths[i] for i in kept]
    else:
        if skip:
            paths = [paths[i] for i in _each(len(files), files.__getitem__, skip)]
        images = ImageFiles(paths, shaping, same_size=not resolution)
    if len(paths) < found:
        logging.warning("%s: left out %d of %d images, unreadable", root, found - len(paths), found)
    return _labelled(root, paths, images, labels)


class ImageFiles:
    """An `ImageSource` over paths: decodes one file at each access.

    same_size: whether an image of another size than the first is an error.
    """

    def __init__(self, paths: list[pathlib.Path], shaping: Shaping, *, same_size: bool = False):
        self._paths, self.shaping, self._same_size = paths, shaping, same_size

    @functools.cached_property
    def shape(self) -> tuple[int, int, int]:
        """[H, W, C] of all of them."""
        if not self._same_size:
            return self.shaping.resolution, self.shaping.resolution, self.shaping.channels
        return self._read(self._paths[0]).shape

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """uint8 [H, W, C]. Raises UsageError, with the path, for a file that cannot be read."""
        path = self._paths[index]
        image = self._read(path)
        if image.shape != self.shape:
            (height, width), (first, second) = image.shape[:2], self.shape[:2]
            raise UsageError(
                f"{path} has {height} x {width} pixels, {self._paths[0]} {first} x {second}; give "
                "resolution, the side in pixels that all are brought to"
            )
        return image

    def _read(self, path: pathlib.Path) -> np.ndarray:
        return _decode(path, lambda image: self.shaping.image(upright_8_bit(image)))


class UnreadableFile(UsageError):
    """A file that `on_bad_image="skip"` leaves out."""


class BadImage(ValueError):
    """An image that cannot be used. reason: of which kind the trouble is; detail: what it is."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def decode(file, function):
    """`function` of the Pillow image in a path or binary file.

    Raises:
      BadImage: it is damaged, has more than `MAX_PIXELS`, or `function` raised such errors.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(
                    "too many pixels",
                    f"{image.width} x {image.height} pixels, limit {MAX_PIXELS}",
                )
            return function(image)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage("unreadable", "in no format that Pillow knows") from error
    # Pillow's decoders raise these for damaged files; struct's and zlib's errors reach us too.
    except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError,
            TypeError, MemoryError, struct.error, zlib.error,
            Image.DecompressionBombError) as error:  # fmt: skip
        raise BadImage("unreadable", str(error) or type(error).__name__) from error


def _decode(path: pathlib.Path, function):
    try:
        # Not by its name: Pillow 13.0 reads the wrong pixels of a grey TIFF that is turned, then.
        with open(path, "rb") as file:
            return decode(file, function)
    except (BadImage, OSError) as error:
        raise UnreadableFile(
            f"cannot read image {path} ({error}); mend or remove it, or set on_bad_image='skip'"
        ) from error


def upright_8_bit(image: Image.Image) -> Image.Image:
    """By its EXIF orientation, and 16-bit grey as 8-bit: x / 257, rounded.

    A PNG's colour that means nothing is there is brought to 8 bits with the others; what has it in
    16-bit grey is white.
    """
    hidden = _hidden_in_8_bit(image)
    image = ImageOps.exif_transpose(image)
    if hidden is not None:
        image.info["transparency"] = hidden
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("grey values outside 16 bits")
        if isinstance(hidden, int):
            values[values == hidden] = 65535
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose range is unknown")
    return image


def _hidden_in_8_bit(image: Image.Image) -> int | tuple[int, ...] | bytes | None:
    """The transparent colour of the file, in the depth that Pillow gives its pixels."""
    hidden = image.info.get("transparency")
    raw = image.tile[0].args if image.tile else None  # how the file has them
    raw = raw[0] if isinstance(raw, tuple) else raw
    if raw == "RGB;16B" and isinstance(hidden, tuple):
        return tuple(value >> 8 for value in hidden)
    if raw in ("L;2", "L;4") and isinstance(hidden, int):
        return hidden * 255 // (2 ** int(raw[2:]) - 1)
    return hidden


def _root(dir: str, split: str) -> pathlib.Path:
    if not dir:
        raise UsageError("data set 'folder' needs dir, a folder of images (--config.data.dir=PATH)")
    root = pathlib.Path(dir).expanduser()
    if not root.is_dir():
        raise UsageError(f"no folder {root}; give dir a folder of images")
    children = [child for child in root.iterdir() if not child.name.startswith(".")]
    folders = {child.name for child in children if child.is_dir()}
    loose = any(child.suffix.lower() in SUFFIXES for child in children)
    if folders and not loose and folders <= set(SPLITS):
        if split not in folders:
            raise UsageError(
                f"no split {split!r} in {root}; choose from {', '.join(sorted(folders))}"
            )
        return root / split
    if split != "train":
        raise UsageError(
            f"{root} has no split {split!r}: only folders named {', '.join(SPLITS)} are splits, "
            "and a folder without them is 'train'"
        )
    return root


def _image_paths(root: pathlib.Path) -> list[pathlib.Path]:
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    # Hidden files, such as macOS's "._x.jpg", are no images whatever their suffix says.
    visible = (
        p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts)
    )
    return sorted(visible, key=lambda path: path.relative_to(root).parts)


def _from_first_readable(paths: list[pathlib.Path], shaping: Shaping) -> list[pathlib.Path]:
    """`paths` without those before the first that can be read, which sets the size of all.

    Raises:
      UsageError: none can.
    """
    for i in range(len(paths)):
        try:
            _ = ImageFiles(paths[i:], shaping, same_size=True).shape
        except UnreadableFile as error:
            last = error
        else:
            return paths[i:]
    raise last


def _own_channels(paths: list[pathlib.Path], skip: bool) -> tuple[list[pathlib.Path], int]:
    """The paths whose headers can be read, and 1 if all of those are grey, else 3."""
    modes: list[str | None] = [None] * len(paths)

    def read(i: int) -> None:
        modes[i] = _decode(paths[i], lambda image: image.mode)

    kept = _each(len(paths), read, skip)
    grey = all(modes[i] in _GREY_MODES for i in kept)
    return [paths[i] for i in kept], 1 if grey else 3


def _read_all(files: ImageFiles, skip: bool) -> tuple[list[int], np.ndarray]:
    """The indices that could be read, and their images, uint8 [N', H, W, C]."""
    images = np.empty((len(files), *files.shape), np.uint8)

    def read(i: int) -> None:
        images[i] = files[i]

    kept = _each(len(files), read, skip)
    return kept, images if len(kept) == len(files) else images[kept]


def _each(count: int, read, skip: bool) -> list[int]:
    """Calls read(i) for all i in threads; the i's for which it raised no UsageError.

    Raises:
      UsageError: the first one, unless skip and all were UnreadableFile, but not of every i.
    """

    def attempt(i: int) -> UsageError | None:
        try:
            read(i)
        except UsageError as error:
            return error
        return None

    errors = parallel_map(attempt, range(count))
    failures = [error for error in errors if error]
    fatal = [error for error in failures if not (skip and isinstance(error, UnreadableFile))]
    if fatal or (failures and len(failures) == count):
        raise (fatal or failures)[0]
    return [i for i, error in enumerate(errors) if error is None]


def _labelled(root: pathlib.Path, paths: list[pathlib.Path], images, wanted: bool | None):
    tops = [path.relative_to(root).parts[0] for path in paths if path.parent != root]
    keep = check_labels(
        wanted, len(tops) == len(paths), str(root), "put each class's images in a folder of its own"
    )
    classes = in_order(tops) if keep else []
    number = {name: i for i, name in enumerate(classes)}
    return Dataset(
        name=root.name,
        images=images,
        labels=np.array([number[top] for top in tops], np.int32) if keep else None,
        classes=tuple(classes),
    )
