"""Data sets in one NumPy .npz file: `images`, perhaps `labels`, perhaps `classes`."""

import pathlib
import struct
import zipfile
import zlib

import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.labelling import check_labels, class_numbers
from jaxgan.data.shaping import Shaping
from jaxgan.errors import UsageError

# A file may hold so many times its size, after the first so many bytes. Images reach 100, where all
# but a few are of one colour; what is made to fill the memory reaches 1,000.
RATIO, FREE = 200, 2**28


def load_npz(
    *,
    dir: str = "",
    split: str = "train",
    resolution: int = 0,
    channels: int = 0,
    resize: str = "lanczos",
    crop: str = "center",
    labels: bool | None = None,
    on_bad_image: str = "raise",
) -> Dataset:
    """Reads `dir`, which is a .npz file or a folder that holds `<split>.npz`.

    The file's keys: `images`, uint8 [N, H, W, C] or [N, H, W]; optional `labels`, integers [N]
    from 0, or vectors [N, K]; optional `classes`, strings, by default the numbers. Other dtypes of
    images are refused: whether floats lie in [0, 1], [-1, 1] or [0, 255] would have to be guessed.

    Raises:
      UsageError: the file is missing, damaged, or does not hold these.
    """
    shaping = Shaping(resolution=resolution, channels=channels, resize=resize, crop=crop)
    path = _find(dir, split)
    arrays = read_npz(path)
    if "images" not in arrays:
        raise UsageError(
            f"{path} holds {sorted(arrays)}; expected a key 'images', uint8 [N, H, W, C]"
        )
    images = arrays["images"]
    if images.dtype != np.uint8:
        raise UsageError(
            f"{path}: images are {images.dtype}; expected uint8 in 0 to 255, "
            "so scale, round and save them as that"
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise UsageError(
            f"{path}: images have shape {list(images.shape)}; expected [N, H, W, C] or [N, H, W]"
        )
    keep = check_labels(labels, "labels" in arrays, str(path), "add a key 'labels' to the file")
    numbers, classes = None, ()
    if keep:
        numbers = arrays["labels"]
        of_classes = numbers.ndim == 1 and numbers.dtype.kind in "iu"
        if numbers.ndim == 2 and numbers.shape[1] == 1 and numbers.dtype.kind in "iu":
            raise UsageError(
                f"{path}: labels are {numbers.dtype} {list(numbers.shape)}; save labels[:, 0] if "
                "they are classes, or floats if each is a vector of one number"
            )
        if not (of_classes or numbers.ndim == 2) or numbers.size == 0:
            raise UsageError(
                f"{path}: labels are {numbers.dtype} {list(numbers.shape)}; expected integers [N], "
                "or vectors [N, K]"
            )
        if "classes" in arrays:
            classes = tuple(map(str, arrays["classes"]))
        elif of_classes:
            classes = class_numbers(numbers, str(path))
        else:
            classes = tuple(map(str, range(numbers.shape[1])))
    return Dataset(
        name=path.stem,
        images=shaping.arrays(images, path.stem),
        labels=numbers,
        classes=classes,
        named="classes" in arrays,
    )


def _find(dir: str, split: str) -> pathlib.Path:
    if not dir:
        raise UsageError(
            "data set 'npz' needs dir: a .npz file, or a folder that holds <split>.npz"
        )
    path = pathlib.Path(dir).expanduser()
    if path.is_dir():
        path = path / f"{split}.npz"
    if not path.is_file():
        raise UsageError(
            f"no file {path}; give dir a .npz file, or a folder that holds <split>.npz"
        )
    return path


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of a .npz file, which may not be pickled ones.

    Raises:
      UsageError: it is not that, is damaged, or holds so much more than its size that it was made
        to fill the memory.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded as file:
                _check_size(path, file.zip)
                return {key: file[key] for key in file.files}
    # zipfile and NumPy raise these for damaged files; a header may declare any shape.
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, TypeError,
            AttributeError, LookupError, SyntaxError, MemoryError, NotImplementedError,
            RuntimeError, struct.error, OverflowError) as error:  # fmt: skip
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is not a readable .npz file of plain arrays ({error})") from error
    raise UsageError(f"{path} is a single array; expected a .npz file with 'images'")


def _check_size(path: pathlib.Path, archive: zipfile.ZipFile) -> None:
    declared, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
    if declared > FREE + RATIO * size:
        raise UsageError(
            f"{path} declares {declared} bytes in a file of {size}: no data are compressed so far"
        )
