"""Data sets that TensorFlow Datasets has prepared, read without TensorFlow."""

import dataclasses
import pathlib
import types

import numpy as np

from jaxgan.data.dataset import Dataset
from jaxgan.data.folder import PREPARED
from jaxgan.data.labelling import check_labels, class_numbers
from jaxgan.data.shaping import Shaping
from jaxgan.errors import UsageError

# How many examples are decoded between two copies into the array: bounds the memory of the
# dictionaries that TFDS hands out, without giving up its reading in one call per chunk.
_CHUNK = 8192


def load_tfds(
    *,
    builder: str = "",
    dir: str = "",
    split: str = "train",
    resolution: int = 0,
    channels: int = 0,
    resize: str = "lanczos",
    crop: str = "center",
    labels: bool | None = None,
    on_bad_image: str = "raise",
    image_key: str = "image",
    label_key: str = "label",
    max_resident_mb: int = 2048,
) -> Dataset:
    """Reads a prepared TFDS data set in array_record format; downloads nothing.

    Args:
      builder: its TFDS name, as in "cifar10" or "celeb_a:2.1.0"; "" where `dir` is the folder of
        the set itself, as `python -m jaxgan.data.prepare --source` makes it.
      dir: TFDS's data_dir; "" for TFDS's usual place (TFDS_DATA_DIR or ~/tensorflow_datasets).
      split: a split or a slice of one: "train", "test", "train[:10%]".
      image_key, label_key: the features that hold the image and the label.
      max_resident_mb: a set that is larger once decoded is read from disk as it is used. Its
        labels still are read at once, a pass over its files; labels=False spares it.
      resolution, channels, resize, crop: see `Shaping`. labels: see `check_labels`.
      on_bad_image: has no meaning here.

    Raises:
      UsageError: the set is unknown or not prepared, or has no such split or feature.
    """
    # Not at the top: the other sources need none of the 0.4 s that this takes.
    import tensorflow_datasets as tfds

    if not builder and not dir:
        raise UsageError(
            "data set 'tfds' needs builder, the TFDS name of a prepared data set, or dir, the "
            "folder of one"
        )
    shaping = Shaping(resolution=resolution, channels=channels, resize=resize, crop=crop)
    prepared = _builder(tfds, builder, dir)
    builder = builder or prepared.name
    images_of = [key for key, f in prepared.info.features.items() if _is_image(tfds, f)]
    # Several images in an example: only the wanted one is decoded.
    source = _open(tfds, prepared, split, dir, skip=[k for k in images_of if k != image_key])
    shape = _decoded_shape(tfds, prepared, builder, image_key, shaping)
    if prepared.info.features[image_key].shape[-1] is None:
        shaping = dataclasses.replace(shaping, channels=shape[-1])
    label_feature = dict(prepared.info.features.items()).get(label_key)
    keep = check_labels(
        labels, label_feature is not None, builder,
        f"its features are {', '.join(prepared.info.features)}: name one as label_key",
    )  # fmt: skip
    if keep and not _is_whole_number(tfds, label_feature):
        raise UsageError(
            f"feature {label_key!r} of {builder} is {_kind(tfds, label_feature)}; labels are whole "
            "numbers, one of each image: name another as label_key, or set labels=False"
        )
    numbers = None
    if len(source) * int(np.prod(shape)) <= max_resident_mb * 2**20:
        images, numbers = _read(source, shape, image_key, label_key if keep else None, shaping)
    else:
        images = _LazyImages(source, image_key, shaping)
        if keep:
            numbers = _read_labels(_open(tfds, prepared, split, dir, skip=images_of), label_key)
    classes, named = (), True
    if keep:
        named = isinstance(label_feature, tfds.features.ClassLabel)
        classes = label_feature.names if named else class_numbers(numbers, builder)
    return Dataset(name=builder, images=images, labels=numbers, classes=tuple(classes), named=named)


class _LazyImages:
    """An `ImageSource` over a TFDS data source."""

    def __init__(self, source, image_key: str, shaping: Shaping):
        self._source, self._image_key, self._shaping = source, image_key, shaping

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._shaping.array(self._source[int(index)][self._image_key])


def _builder(tfds: types.ModuleType, name: str, dir: str):
    data_dir = str(pathlib.Path(dir).expanduser()) if dir else None
    place = data_dir or "TFDS's usual place"
    if not name and not (pathlib.Path(data_dir) / PREPARED).is_file():
        raise UsageError(
            f"{place} holds no prepared data set ({PREPARED} is missing); give builder, its TFDS "
            "name, or another dir"
        )
    try:
        if not name:
            return tfds.builder_from_directory(data_dir)
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise UsageError(
            f"no TFDS data set {name!r} under {place}; give dir the folder that holds "
            f"{name}/<version>/dataset_info.json"
        ) from error
    except (ValueError, AssertionError, OSError) as error:
        raise UsageError(f"TFDS cannot open {name!r} under {place}: {_line(error)}") from error
    return builder


def _open(tfds: types.ModuleType, builder, split: str, dir: str, skip: list[str]):
    """A data source whose features `skip` are left encoded."""
    decoders = {key: tfds.decode.SkipDecoding() for key in skip}
    try:
        source = builder.as_data_source(split, decoders=decoders or None)
    except (NotImplementedError, ValueError, KeyError) as error:
        raise UsageError(_why_closed(builder, split, dir, error)) from error
    if len(source) == 0:
        raise UsageError(f"split {split!r} of TFDS data set {builder.name!r} is empty")
    return source


def _why_closed(builder, split: str, dir: str, error: Exception) -> str:
    from jaxgan.data.builders import BUILDERS

    name, splits = builder.name, list(builder.info.splits)
    if not splits:
        if name in BUILDERS:
            cure = f"python -m jaxgan.data.prepare --name {name}" + (f" --dir {dir}" if dir else "")
        else:
            cure = (
                f"tfds.builder({name!r}, data_dir={dir or None!r}, file_format='array_record')"
                ".download_and_prepare(), where TensorFlow is installed"
            )
        return (
            f"TFDS data set {name!r} is not prepared in {builder.data_dir}; prepare it by: {cure}"
        )
    if isinstance(error, NotImplementedError):
        return (
            f"TFDS data set {name!r} in {builder.data_dir} is in the format "
            f"{builder.info.file_format.value}, which allows no random access; prepare it again "
            "in another dir with file_format='array_record'"
        )
    return (
        f"TFDS data set {name!r} has no split {split!r}; choose from {', '.join(splits)}, "
        f"or a slice such as '{splits[0]}[:10%]'"
    )


def _is_whole_number(tfds: types.ModuleType, feature) -> bool:
    parts = isinstance(feature, tfds.features.FeaturesDict)
    return not parts and feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)


def _kind(tfds: types.ModuleType, feature) -> str:
    if isinstance(feature, tfds.features.FeaturesDict):
        return "a group of features"
    return f"{np.dtype(feature.np_dtype)} {list(feature.shape)}".removesuffix(" []")


def _is_image(tfds: types.ModuleType, feature) -> bool:
    return isinstance(feature, tfds.features.Image)


def _decoded_shape(tfds: types.ModuleType, builder, name: str, image_key: str, shaping: Shaping):
    """(H, W, C) after shaping."""
    features = dict(builder.info.features.items())
    if not _is_image(tfds, features.get(image_key)):
        images = sorted(key for key, f in features.items() if _is_image(tfds, f))
        raise UsageError(
            f"TFDS data set {name!r} has no image feature {image_key!r}; "
            f"choose image_key from {', '.join(images) or 'none: it has no images'}"
        )
    feature = features[image_key]
    if feature.np_dtype != np.uint8:
        raise UsageError(f"TFDS data set {name!r} has {feature.np_dtype} images; expected uint8")
    height, width, own_channels = feature.shape
    if shaping.resolution:
        height = width = shaping.resolution
    if height is None or width is None:
        raise UsageError(f"TFDS data set {name!r} has images of many sizes; give resolution")
    if own_channels is not None:
        shaping.check_channels(own_channels, name)
    return height, width, shaping.channels or own_channels or 3


def _read(source, shape, image_key: str, label_key: str | None, shaping: Shaping):
    """uint8 [N, H, W, C] and int32 [N] or None."""
    images = np.empty((len(source), *shape), np.uint8)
    labels = np.empty(len(source), np.int32) if label_key else None
    for start in range(0, len(source), _CHUNK):
        stop = min(start + _CHUNK, len(source))
        examples = source.__getitems__(range(start, stop))
        for i, example in enumerate(examples, start):
            images[i] = shaping.array(example[image_key])
            if label_key:
                labels[i] = example[label_key]
    return images, labels


def _read_labels(source, label_key: str) -> np.ndarray:
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), _CHUNK):
        stop = min(start + _CHUNK, len(source))
        examples = source.__getitems__(range(start, stop))
        labels[start:stop] = [example[label_key] for example in examples]
    return labels


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
