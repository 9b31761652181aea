"""Reads the arrays in PyTorch's files, `.pth` and `.pt`, and can run no code.

Such a file holds a pickle, a program for a small stack machine that may call any function of
Python. Here a machine of our own runs it: it knows the instructions that build containers, and the
functions by which PyTorch describes tensors (`_FUNCTIONS`); any other is refused before anything
happens. Both formats are read: the zip archive that PyTorch writes since 1.6, and the stream of
pickles before that, in which the known Inception and EfficientNet weights are.

The arrays are views of the file's bytes: a file that declares more than it holds is refused, and
none takes more memory than its own size.
"""

import dataclasses
import io
import math
import pathlib
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError

_ZIP_OPENING = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_OPENING = b"\x80\x02\x8a\x0a" + _LEGACY_MAGIC.to_bytes(10, "little")
_LEGACY_PROTOCOL = 1001
_MARK = object()

_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class _Damaged(Exception):
    """The file contradicts itself; the message says how."""


class _Refused(Exception):
    """The pickle names what it may not; the message is that name."""


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers in a row; `data` is None while only their names are being collected."""

    key: str
    dtype: np.dtype
    size: int
    data: np.ndarray | None = None


def read_pth(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The named arrays in a file that `torch.save` wrote of a state dict.

    A dict that holds the state dict under "state_dict" or "model" will do; what is no array is
    left out. The arrays are read-only, in the file's dtypes (bfloat16 as JAX's).

    Raises:
      UsageError: the file is not there or no such file, is damaged, or its pickle asks for
        anything but tensors; the message names what it asks for.
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            opening = file.read(len(_LEGACY_OPENING))
            file.seek(0)
            if opening.startswith(_ZIP_OPENING):
                found = _read_zip(file)
            elif opening == _LEGACY_OPENING:
                found = _read_legacy(file.read())
            else:
                raise UsageError(
                    f"{path} is no PyTorch file: it opens with {opening[:4]!r}; expected one that"
                    " torch.save wrote"
                )
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error})") from error
    except _Refused as error:
        raise UsageError(
            f"{path} asks for {error}, which is no part of a file of weights: refused, and nothing"
            " of it was run; get the weights from their original source"
        ) from error
    except _Damaged as error:
        raise UsageError(f"{path} is damaged or no file of weights: {error}") from error
    return _named_arrays(found, path)


def _named_arrays(found: Any, path: pathlib.Path) -> dict[str, np.ndarray]:
    for name in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    items = found.items() if isinstance(found, dict) else ()
    arrays = {k: v for k, v in items if isinstance(k, str) and isinstance(v, np.ndarray)}
    if not arrays:
        raise UsageError(f"{path} holds no named arrays; expected the state dict of a network")
    return arrays


def _read_zip(file: io.BufferedReader) -> Any:
    """One folder with data.pkl, and each storage as a file data/KEY, stored without compression."""
    size = file.seek(0, io.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            declared = sum(entry.file_size for entry in entries)
            if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or declared > size:
                raise _Damaged(
                    f"it declares {declared} bytes, compressed or not, in a file of {size};"
                    " torch.save compresses nothing"
                )
            programs = [e.filename for e in entries if e.filename.endswith("/data.pkl")]
            if len(programs) != 1:
                raise _Damaged(f"a zip archive with {len(programs)} entries data.pkl; expected one")
            folder = programs[0].removesuffix("data.pkl")
            names = {entry.filename for entry in entries}
            if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
                raise _Damaged("its numbers are not little-endian")
            stored: dict[str, np.ndarray] = {}

            def load(storage: _Storage) -> _Storage:
                if storage.key not in stored:
                    data = archive.read(f"{folder}data/{storage.key}")
                    stored[storage.key] = np.frombuffer(data, np.uint8)
                data = stored[storage.key]
                if len(data) != storage.size * storage.dtype.itemsize:
                    raise _Damaged(
                        f"storage {storage.key!r} has {len(data)} bytes; its pickle says"
                        f" {storage.size} of {storage.dtype}"
                    )
                return dataclasses.replace(storage, data=data.view(storage.dtype))

            return _run(io.BytesIO(archive.read(programs[0])), load)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _Damaged(str(error)) from error


def _read_legacy(content: bytes) -> Any:
    """Pickles of magic, protocol, system, object, keys; then each storage: its size, its bytes."""
    stream = io.BytesIO(content)
    _run(stream, _refuse_storage)  # the magic, checked already
    if (protocol := _run(stream, _refuse_storage)) != _LEGACY_PROTOCOL:
        raise _Damaged(f"protocol {protocol!r}; expected {_LEGACY_PROTOCOL}")
    system = _run(stream, _refuse_storage)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Damaged("its numbers are not little-endian")
    start = stream.tell()
    # The storages come after the pickle that names them: it runs twice.
    declared: dict[str, _Storage] = {}

    def note(storage: _Storage) -> _Storage:
        if declared.setdefault(storage.key, storage) != storage:
            raise _Damaged(f"storage {storage.key!r} is declared in two ways")
        return storage

    _run(stream, note)
    keys = _run(stream, _refuse_storage)
    if not isinstance(keys, list) or set(map(str, keys)) != set(declared):
        raise _Damaged("its list of storages is not the list of those that its tensors use")
    filled: dict[str, _Storage] = {}
    for key in keys:
        storage = declared[key]
        count = int.from_bytes(stream.read(8), "little")
        length = storage.size * storage.dtype.itemsize
        if count != storage.size or stream.tell() + length > len(content):
            raise _Damaged(f"storage {key!r} is cut off or not of {storage.size} numbers")
        # From the bytes, not a slice of them: memory is not taken twice.
        data = np.frombuffer(content, storage.dtype, storage.size, offset=stream.tell())
        stream.seek(length, io.SEEK_CUR)
        filled[key] = dataclasses.replace(storage, data=data)
    stream.seek(start)
    return _run(stream, lambda storage: filled[storage.key])


def _refuse_storage(storage: _Storage) -> NoReturn:
    raise _Damaged(f"storage {storage.key!r} where none belongs")


# What a pickle may name. A tensor is described by its storage, where in it the tensor starts, its
# shape and its strides, all counted in elements.


def _rebuild_tensor(storage: _Storage, offset: int, shape: Sequence[int], strides: Sequence[int]):
    """A view of the storage; None while only the names of storages are being collected."""
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise _Damaged(f"a tensor of shape {shape}, strides {strides} at {offset}")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if count > storage.size or (count and last >= storage.size):
        raise _Damaged(f"a tensor of shape {shape}, strides {strides} at {offset} is larger than"
                       f" its storage of {storage.size}")  # fmt: skip
    if storage.data is None:
        return None
    steps = [s * storage.dtype.itemsize for s in strides]
    start = storage.data[offset:] if count else storage.data[:0]
    return np.lib.stride_tricks.as_strided(start, shape, steps, writeable=False)


def _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, *metadata):
    return _rebuild_tensor(storage, offset, shape, strides)


def _rebuild_parameter(array, requires_grad, hooks):
    return array


def _ordered_dict(pairs=()):
    return dict(pairs)


_FUNCTIONS: dict[str, Callable] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "collections.OrderedDict": _ordered_dict,
}
_STORAGES = {f"torch.{name}": np.dtype(dtype) for name, dtype in _DTYPES.items()}


def _named(module: Any, name: Any) -> Callable | np.dtype:
    full = f"{module}.{name}"
    if full in _FUNCTIONS:
        return _FUNCTIONS[full]
    if full in _STORAGES:
        return _STORAGES[full]
    raise _Refused(full)


def _storage(declaration: Any, load: Callable[[_Storage], _Storage]) -> _Storage:
    """Of PyTorch's tuple ("storage", type, key, device, size) and, in the old format, a view."""
    tag, dtype, key, _device, size, *view = declaration
    if tag != "storage" or not isinstance(dtype, np.dtype) or any(view):
        raise _Damaged(f"a storage declared as {str(declaration)[:80]}")
    if not isinstance(key, str) or not isinstance(size, int) or size < 0:
        raise _Damaged(f"a storage of key {key!r} and size {size!r}")
    return load(_Storage(key, dtype, size))


# The machine. Each instruction takes from the stack and puts on it; `memo` holds what comes again.


def _run(stream: io.BytesIO, load: Callable[[_Storage], _Storage]) -> Any:
    """The object that the pickle at the stream's place builds; the stream is left behind it."""
    try:
        return _Machine(load).run(pickletools.genops(stream))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise _Damaged(f"its pickle breaks off or makes no sense ({error})") from error


class _Machine:
    def __init__(self, load: Callable[[_Storage], _Storage]):
        self._load, self._stack, self._memo = load, [], {}

    def run(self, instructions: Iterator[tuple[Any, Any, Any]]) -> Any:
        for opcode, argument, _position in instructions:
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _PUSHES:
                self._stack.append(_PUSHES[opcode.name](argument))
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, argument)
            else:
                raise _Damaged(f"its pickle has the instruction {opcode.name}")
        raise _Damaged("its pickle has no end")

    def _since_mark(self) -> list:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _take(self, count: int) -> list:
        if count > len(self._stack):
            raise _Damaged("its pickle takes what is not there")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _put(self, key: Any) -> None:
        self._memo[key] = self._stack[-1]

    def _get(self, key: Any) -> None:
        self._stack.append(self._memo[key])

    def _extend(self, items: list) -> None:
        if not isinstance(self._stack[-1], list):
            raise _Damaged("its pickle appends to what is no list")
        self._stack[-1].extend(items)

    def _set_items(self, items: list) -> None:
        if not isinstance(self._stack[-1], dict):
            raise _Damaged("its pickle sets an item of what is no dict")
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _name(self, argument: str) -> None:
        self._stack.append(_named(*argument.split(" ", 1)))

    def _name_from_stack(self, _argument: None) -> None:
        self._stack.append(_named(*self._take(2)))

    def _call(self, _argument: None) -> None:
        function, arguments = self._take(2)
        if not any(function is known for known in _FUNCTIONS.values()):
            raise _Damaged("its pickle calls what is no function")
        self._stack.append(function(*arguments))

    def _build(self, _argument: None) -> None:
        # A state dict carries the versions of its modules this way: not wanted.
        _state = self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise _Damaged("its pickle sets attributes of what is no dict")


_PUSHES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ["BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG", "BINFLOAT", "FLOAT"]
        + ["BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"]
        + ["BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"],
        lambda argument: argument,
    ),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _MARK,
}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "POP": lambda m, _: m._take(1) and None,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": lambda m, _: m._put(len(m._memo)),
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "TUPLE": lambda m, _: m._stack.append(tuple(m._since_mark())),
    "TUPLE1": lambda m, _: m._stack.append(tuple(m._take(1))),
    "TUPLE2": lambda m, _: m._stack.append(tuple(m._take(2))),
    "TUPLE3": lambda m, _: m._stack.append(tuple(m._take(3))),
    "LIST": lambda m, _: m._stack.append(m._since_mark()),
    "APPEND": lambda m, _: m._extend(m._take(1)),
    "APPENDS": lambda m, _: m._extend(m._since_mark()),
    "SETITEM": lambda m, _: m._set_items(m._take(2)),
    "SETITEMS": lambda m, _: m._set_items(m._since_mark()),
    "GLOBAL": _Machine._name,
    "STACK_GLOBAL": _Machine._name_from_stack,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": lambda m, _: m._stack.append(_storage(m._stack.pop(), m._load)),
}
