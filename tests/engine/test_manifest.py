import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.engine.manifest import MANIFEST, damage, has_manifest, write_manifest

FILES = {"a": b"first", "deep/er/b c": b"second" * 20, "empty": b""}


def make(folder):
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    write_manifest(folder)
    return folder


def test_a_folder_is_whole_until_it_changes(tmp_path):
    assert not has_manifest(tmp_path)
    assert damage(make(tmp_path)) == "" and has_manifest(tmp_path)
    (tmp_path / "deep/er/b c").unlink()
    assert damage(tmp_path) == "deep/er/b c is missing"
    (tmp_path / "deep/er/b c").write_bytes(b"another")
    assert damage(tmp_path) == "deep/er/b c has another SHA-256 than when it was written"
    make(tmp_path)
    (tmp_path / "new").write_bytes(b"")
    assert damage(tmp_path) == f"{MANIFEST} does not list new"


def test_sha256sum_reads_the_manifest(tmp_path):
    make(tmp_path)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", MANIFEST], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@settings(max_examples=150)
@given(
    name=st.sampled_from([*FILES, MANIFEST]),
    place=st.floats(0, 1, exclude_max=True),
    how=st.one_of(st.integers(0, 7), st.sampled_from(["cut", "remove"])),
)
def test_no_bit_and_no_byte_may_change(name, place, how, tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("folder"))
    data = bytearray((folder / name).read_bytes())
    if how == "remove":
        (folder / name).unlink()
    elif not data:
        return
    elif how == "cut":
        (folder / name).write_bytes(data[: int(place * len(data))])
    else:
        data[int(place * len(data))] ^= 1 << how
        (folder / name).write_bytes(data)
    assert name in damage(folder)


def test_a_pipe_or_a_folder_in_a_files_place_is_no_hang(tmp_path):
    import os

    make(tmp_path)
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")
    assert damage(tmp_path) == "a is missing"
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert damage(tmp_path) == "a is missing"


@pytest.mark.parametrize("text", ["", "nonsense\n", "\x00", "é" * 70 + "\n"])
def test_a_manifest_of_nonsense_is_damage(text, tmp_path):
    make(tmp_path)
    (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    assert damage(tmp_path) == f"{MANIFEST} is damaged"
