import io
import os
import pickle
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxgan.errors import UsageError
from jaxgan.metrics.features.pth import read_pth

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="parity needs PyTorch: pip install 'jaxgan[parity]'")


@FORMATS
def test_reads_what_torch_saves(torch, tmp_path, zipped):
    base = torch.arange(48).reshape(6, 8)
    dtypes = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    state = {name: base.to(getattr(torch, name)) for name in dtypes}
    state["transposed"] = torch.randn(4, 5, 6).permute(2, 0, 1)
    state["strided"] = torch.randn(20)[3:18:4]
    state["row"], state["same storage"] = base[2], base[:, 3]
    state["scalar"], state["empty"] = torch.tensor(2.5), torch.zeros(0, 3)
    state["parameter"] = torch.nn.Parameter(torch.randn(3))
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    arrays = read_pth(tmp_path / "a.pth")
    theirs = torch.load(tmp_path / "a.pth", weights_only=True)
    assert list(arrays) == list(theirs)
    for name, array in arrays.items():
        wanted = theirs[name].detach().numpy()
        assert array.dtype == wanted.dtype
        np.testing.assert_array_equal(array, wanted)


@FORMATS
def test_reads_bfloat16(torch, tmp_path, zipped):
    values = torch.randn(7).bfloat16()
    torch.save({"x": values}, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    array = read_pth(tmp_path / "a.pt")["x"]
    assert array.dtype == jnp.bfloat16
    np.testing.assert_array_equal(array.astype(np.float32), values.float().numpy())


@FORMATS
def test_reads_the_state_of_a_module(torch, tmp_path, zipped):
    """Such a dict carries metadata as an attribute; checkpoints hold it beside other things."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    checkpoint = {"epoch": 3, "state_dict": module.state_dict(), "name": "x", "lr": 1e-3}
    torch.save(checkpoint, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    arrays = read_pth(tmp_path / "a.pth")
    assert set(arrays) == set(module.state_dict())
    np.testing.assert_array_equal(arrays["0.weight"], module[0].weight.detach().numpy())


class Attack:
    """Unpickled, it would make the folder `path`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def legacy(*pickles: bytes) -> bytes:
    return b"".join(pickles)


def legacy_header() -> list[bytes]:
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
    return [pickle.dumps(value, protocol=2) for value in (MAGIC, PROTOCOL, system)]


def archive(program: bytes, storages=(), compression=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr("archive/data.pkl", program)
        for key, data in storages:
            out.writestr(f"archive/data/{key}", data)
    return file.getvalue()


@FORMATS
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_refused_and_named(tmp_path, zipped, protocol):
    program = pickle.dumps({"x": Attack(tmp_path / "pwned")}, protocol=protocol)
    content = archive(program) if zipped else legacy(*legacy_header(), program)
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UsageError, match=rf"asks for {os.mkdir.__module__}\.mkdir.*refused"):
        read_pth(tmp_path / "a.pth")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "torch._utils _rebuild_device", "torch load", "collections deque"]
)
def test_every_other_name_is_refused(tmp_path, name):
    program = b"\x80\x02c" + "\n".join(name.split()).encode() + b"\n."
    (tmp_path / "a.pth").write_bytes(archive(program))
    with pytest.raises(UsageError, match=name.replace(" ", r"\.")):
        read_pth(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02(i__builtin__\neval\n.",  # INST
        b"\x80\x02(cbuiltins\neval\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02P1\n.",  # PERSID
        b"\x80\x02]q\x00R.",  # calls what is not there
        b"\x80\x02)\x81.",  # NEWOBJ
    ],
)
def test_instructions_that_could_call_are_refused(tmp_path, program):
    (tmp_path / "a.pth").write_bytes(archive(program))
    with pytest.raises(UsageError):
        read_pth(tmp_path / "a.pth")


@FORMATS
def test_cut_off_anywhere_is_one_line(torch, tmp_path, zipped):
    state = {"x": torch.randn(3, 4), "y": torch.arange(5)}
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "a.pth").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "b.pth").write_bytes(content[:length])
        with pytest.raises(UsageError) as caught:
            read_pth(tmp_path / "b.pth")
        assert "b.pth" in str(caught.value) and "\n" not in str(caught.value)


@given(data=st.data())
def test_a_changed_byte_raises_nothing_but_usage_errors(tmp_path_factory, data):
    """Of a file in the old format, which has no checksums."""
    declaration = b"\x80\x02}q\x00X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n"
    declaration += b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    declaration += b"X\x03\x00\x00\x00cpuK\x06NtQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89}tRs."
    values = np.arange(6, dtype=np.float32)
    content = legacy(
        *legacy_header(),
        declaration,
        pickle.dumps(["0"], protocol=2),
        struct.pack("<q", 6),
        values.tobytes(),
    )
    path = tmp_path_factory.mktemp("pth") / "a.pth"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_pth(path)["x"], values.reshape(2, 3))
    changed = bytearray(content)
    place = data.draw(st.integers(0, len(content) - 1))
    changed[place] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    try:
        read_pth(path)
    except UsageError:
        pass


def tensor_program(size: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A pickle of {"x": a tensor} whose storage declares `size` floats."""
    number = lambda n: b"\x8a\x08" + struct.pack("<q", n)
    numbers = lambda ns: b"(" + b"".join(map(number, ns)) + b"t"
    text = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    tensor = b"(" + storage + number(size) + b"tQ" + number(0) + numbers(shape) + numbers(strides)
    return b"\x80\x02}" + text("x") + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"\x89}tRs."


def test_the_program_of_these_tests_is_a_good_one(tmp_path):
    values = np.arange(6, dtype=np.float32)
    content = archive(tensor_program(6, (3, 2), (1, 3)), [("0", values.tobytes())])
    (tmp_path / "a.pth").write_bytes(content)
    np.testing.assert_array_equal(read_pth(tmp_path / "a.pth")["x"], values.reshape(2, 3).T)


@pytest.mark.parametrize(
    "size, shape, strides",
    [
        (2**50, (2**50,), (1,)),  # more than the file holds
        (6, (2**40,), (0,)),  # one number, over and over
        (6, (7,), (1,)),
        (6, (2, 3), (4, 1)),  # the last number lies behind the end
        (6, (2, 3), (-3, 1)),
        (6, (2, 3), (1,)),
        (-1, (1,), (1,)),
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, size, shape, strides):
    content = archive(tensor_program(size, shape, strides), [("0", bytes(24))])
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UsageError, match="is damaged"):
        read_pth(tmp_path / "a.pth")


def test_zip_bombs_are_refused(tmp_path):
    n = 2**24
    program = tensor_program(n, (n,), (1,))
    content = archive(program, [("0", bytes(4 * n))], compression=zipfile.ZIP_DEFLATED)
    assert len(content) < n // 50
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UsageError, match="compress"):
        read_pth(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x80\x02.", b"PK\x03\x04", b"PK\x05\x06"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UsageError, match="a.pth"):
        read_pth(tmp_path / "a.pth")


def test_a_missing_file_and_one_without_arrays(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_pth(tmp_path / "none.pth")
    (tmp_path / "a.pth").write_bytes(archive(pickle.dumps([1, 2], protocol=2)))
    with pytest.raises(UsageError, match="no named arrays"):
        read_pth(tmp_path / "a.pth")
