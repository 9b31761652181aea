"""Checkpoints that something befell; what a run does then is in test_faults.py."""

import random
import resource
import shutil
import threading
import time
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import pytest
from conftest import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.engine import checkpoint as module
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.manifest import MANIFEST
from jaxgan.engine.step import TrainState
from jaxgan.errors import Failure, UsageError


def state(value):
    weights = jax.random.normal(jax.random.key(value), 5000)
    return TrainState(
        step=jnp.int32(value), key=jax.random.key(value), params={"gen": weights},
        variables={}, opt_state={"gen": jnp.arange(3.0) + value}, ema={}, extra={},
    )  # fmt: skip


def like():
    return jax.jit(lambda: state(0)).eval_shape()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    with Checkpoints(folder) as checkpoints:
        for step in (10, 20):
            checkpoints.save(step, state(step))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "checkpoints")


def a_file(folder, step):
    files = [path for path in (folder / f"{step}/default").rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


@contextmanager
def full_disk(size=4096):
    """No file may grow beyond `size`: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_saved_is_restored(folder, capsys):
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.steps() == [10, 20] and checkpoints.latest() == 20
        assert_same_bits(checkpoints.restore(10, like()), state(10))
    assert capsys.readouterr().err == ""


HERE = jax.sharding.SingleDeviceSharding(jax.devices()[0])


def weights_of(like):
    placed = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=HERE)
    return jax.tree.map(placed, {"step": like.step, "params": like.params})


def test_some_arrays_are_read_without_the_others(folder):
    with Checkpoints(folder) as checkpoints:
        found = checkpoints.read(10, weights_of(like()))
        assert_same_bits(found, {"params": state(10).params})
        assert found["params"]["gen"].sharding == HERE
        (folder / "10").rename(folder / "30")
        with pytest.raises(UsageError, match="another step than its name says"):
            checkpoints.read(30, weights_of(like()))


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ({"params": {"gen": (4999,)}}, "params/gen is [5000] there, [4999] here"),
        ({"params": {"disc": (3,)}}, "params/disc is missing there, [3] here"),
    ],
)
def test_arrays_that_are_not_there_are_named(folder, wanted, part):
    tree = {"step": ()} | wanted
    abstract = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32, sharding=HERE),
        tree,
        is_leaf=lambda x: isinstance(x, tuple),
    )
    with Checkpoints(folder) as checkpoints, pytest.raises(UsageError) as error:
        checkpoints.read(20, abstract)
    assert part in str(error.value)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(folder, capsys):
    a_file(folder, 20).write_bytes(b"")
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest() == 10
        for read in (checkpoints.restore, lambda *of: checkpoints.read(of[0], weights_of(of[1]))):
            with pytest.raises(UsageError, match="checkpoint 20 .*another SHA-256"):
                read(20, like())
        assert_same_bits(checkpoints.restore(10, like()), state(10))
    line = capsys.readouterr().err
    assert "checkpoint 20 is damaged" in line and "checkpoint 10 is used" in line


def test_where_none_is_whole_all_are_named(folder):
    for step in (10, 20):
        a_file(folder, step).unlink()
    with Checkpoints(folder) as checkpoints, pytest.raises(UsageError) as error:
        checkpoints.latest()
    assert "checkpoint 20 is damaged" in str(error.value) and "10 is damaged" in str(error.value)


def test_checkpoints_of_earlier_versions_have_no_manifest(folder, capsys):
    (folder / "20" / MANIFEST).unlink()
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest() == 10
        assert "20 has no manifest, and is passed over" in capsys.readouterr().err
        (folder / "10" / MANIFEST).unlink()
        assert Checkpoints(folder).latest() == 20
        assert "20 has no manifest, and is used without" in capsys.readouterr().err
        assert_same_bits(Checkpoints(folder).restore(20, like()), state(20))


def test_leftovers_and_later_checkpoints_go_and_nothing_else(folder):
    for name in ("30.saving", "5.removing", "40.orbax-checkpoint-tmp-7", "mine.saving", "notes"):
        (folder / name / "default").mkdir(parents=True)
    (folder / "30.saving.txt").write_text("a file")
    with Checkpoints(folder) as checkpoints:
        checkpoints.go_on_from(10)
    left = {path.name for path in folder.iterdir()}
    assert left == {"10", "mine.saving", "notes", "30.saving.txt"}


def test_the_old_go_when_the_new_is_complete(folder):
    with Checkpoints(folder, keep=1, keep_every=20) as checkpoints:
        for step in (30, 40, 50):
            checkpoints.save(step, state(step))
        checkpoints.wait()
        assert checkpoints.steps() == [20, 40, 50]
        again = state(50).replace(params={"gen": jnp.zeros(5000)})
        checkpoints.save(50, again)
        checkpoints.wait()
        assert_same_bits(checkpoints.restore(50, like()), again)
    assert not list(folder.glob("*.*"))


def test_where_there_is_no_space_the_checkpoints_before_stay(folder):
    with pytest.raises(Failure, match="checkpoint 30 .* could not be written.* 20 is intact"):
        with full_disk(), Checkpoints(folder) as checkpoints:
            checkpoints.save(30, state(30))
            while checkpoints._thread.is_alive():
                time.sleep(0.01)
            checkpoints.check()
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest() == 20 and not list(folder.glob("*.*"))
        checkpoints.save(30, state(30))
        checkpoints.wait()
        assert checkpoints.latest() == 30


def test_a_save_is_tried_again_until_there_is_space(folder, monkeypatch, capsys):
    monkeypatch.setattr(module, "RETRY", 0.1)
    with full_disk() as mend, Checkpoints(folder, retry_seconds=60.0) as checkpoints:
        threading.Timer(0.5, mend).start()
        checkpoints.save(30, state(30))
        assert checkpoints.steps() == [20, 30]
    assert "trying again" in capsys.readouterr().err
    with pytest.raises(Failure), full_disk():
        with Checkpoints(folder, retry_seconds=0.3) as checkpoints:
            checkpoints.save(40, state(40))


def test_a_folder_that_cannot_be_made_is_tried_again_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "RETRY", 0.1)
    (tmp_path / "checkpoints").write_text("a file stands where the folder belongs")
    threading.Timer(0.5, (tmp_path / "checkpoints").unlink).start()
    with Checkpoints(tmp_path / "checkpoints", retry_seconds=60.0) as checkpoints:
        checkpoints.save(30, state(30))
        assert checkpoints.latest() == 30
    assert "trying again" in capsys.readouterr().err


@settings(max_examples=40)
@given(faults=st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
def test_whatever_befalls_a_folder_nothing_wrong_is_restored(saved, faults, tmp_path_factory):
    folder = shutil.copytree(saved, tmp_path_factory.mktemp("fuzzed") / "checkpoints")
    for fault in faults:
        spoil(folder, random.Random(fault))
    with Checkpoints(folder) as checkpoints:
        try:
            step = checkpoints.latest()
            restored = checkpoints.restore(step, like()) if step is not None else None
            part = checkpoints.read(step, weights_of(like())) if step is not None else None
        except UsageError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
            return
    if restored is not None:
        assert_same_bits(restored, state(step))
        assert_same_bits(part, {"params": restored.params})


def spoil(folder, rng):
    """Something that happens to files, other than that manifests go: then nothing can be known."""
    paths = sorted(path for path in folder.rglob("*") if path.name != MANIFEST)
    if not paths:
        return
    path = rng.choice(paths)
    how = rng.choice(["remove", "rename", "flip", "cut", "grow", "folder"])
    if path.is_dir():
        if how in ("rename", "folder"):
            new = path.with_name(rng.choice(["99", "0", "x", "-1", "20.saving", "٣"]))
            if new != path:
                shutil.rmtree(new, ignore_errors=True)
                path.rename(new)
        else:
            shutil.rmtree(path)
    elif how in ("remove", "rename"):
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        data = bytearray(path.read_bytes())
        if how == "flip" and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(len(data) + 1)] if how == "cut" else data + b"x")
