import contextlib
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import types

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.data import archives
from jaxgan.data import prepare as prepare_module
from jaxgan.data.archives import cifar10_classes, read_cifar10, read_idx
from jaxgan.data.builders import BUILDERS
from jaxgan.data.prepare import main, prepare
from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError

RNG = np.random.default_rng(0)
NAMES = ["airplane", "automobile", "bird", "cat", "deer"]
NAMES += ["dog", "frog", "horse", "ship", "truck"]


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


def cifar_tar(batches, classes=NAMES):
    """cifar-10-binary.tar.gz with the given {file: (labels, images [N, 32, 32, 3])}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        files = {"batches.meta.txt": "\n".join(classes).encode() + b"\n\n"}
        for name, (labels, images) in batches.items():
            planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
            files[name] = np.concatenate([labels[:, None], planes], 1).astype(np.uint8).tobytes()
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def noise(n, *shape):
    return RNG.integers(0, 10, n, np.uint8), RNG.integers(0, 256, (n, *shape), np.uint8)


@pytest.fixture
def register(monkeypatch):
    """Makes the given bytes the files that a builder expects; returns {url: bytes}."""

    def start(name, contents):
        urls = dict(zip(BUILDERS[name].url_infos, contents, strict=True))
        infos = {
            url: tfds.download.checksums.UrlInfo(
                size=len(data),
                checksum=hashlib.sha256(data).hexdigest(),
                filename=url.rpartition("/")[2],
            )
            for url, data in urls.items()
        }
        monkeypatch.setattr(BUILDERS[name], "url_infos", infos)
        return urls

    return start


@pytest.fixture
def serve(monkeypatch):
    """Answers requests from {url: bytes}; everything above the socket is TFDS's own."""

    def start(urls):
        @contextlib.contextmanager
        def open_url(url, **kwargs):
            data = urls[url]
            response = types.SimpleNamespace(url=url, headers={"Content-length": len(data)})
            yield response, iter([data[:100], data[100:]])

        monkeypatch.setattr("tensorflow_datasets.core.download.downloader._open_url", open_url)
        monkeypatch.setattr(prepare_module, "_check_reachable", lambda builder: None)

    return start


def assert_same_examples(data, labels, images):
    """Up to the order, which TFDS shuffles."""

    def rows(labels, images):
        return sorted(
            (int(label), image.tobytes()) for label, image in zip(labels, images, strict=True)
        )

    assert rows(data.labels, data.images) == rows(labels, images)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_sets_are_prepared_and_read_under_their_official_name(name, register, serve, tmp_path):
    train, test = noise(20, 28, 28), noise(7, 28, 28)
    serve(register(name, [idx(train[1]), idx(train[0]), idx(test[1]), idx(test[0])]))
    path = prepare(name, str(tmp_path))
    assert path == tmp_path / name / "3.0.1"
    for split, (labels, images) in ("train", train), ("test", test):
        data = load_dataset(name, dir=str(tmp_path), split=split)
        assert_same_examples(data, labels, images[..., None])
    official = tfds.builder(name, data_dir=tmp_path)
    assert type(official).__module__ == "tensorflow_datasets.image_classification.mnist"
    assert len(official.as_data_source("train")) == 20
    assert data.classes[1] == ("Trouser" if name == "fashion_mnist" else "1")
    before = path.stat().st_mtime_ns
    assert prepare(name, str(tmp_path)) == path and path.stat().st_mtime_ns == before


def test_cifar10_is_prepared_and_read_under_its_official_name(register, serve, tmp_path, capsys):
    parts = {f"data_batch_{i}.bin": noise(4, 32, 32, 3) for i in range(1, 6)}
    test = noise(3, 32, 32, 3)
    serve(register("cifar10", [cifar_tar(parts | {"test_batch.bin": test})]))
    assert main(["--name", "cifar10", "--dir", str(tmp_path)]) == 0
    assert str(tmp_path / "cifar10" / "3.0.2") in capsys.readouterr().out
    labels, images = (np.concatenate(arrays) for arrays in zip(*parts.values(), strict=True))
    data = load_dataset("cifar10", dir=str(tmp_path))
    assert_same_examples(data, labels, images)
    assert data.classes == tuple(NAMES)
    assert_same_examples(load_dataset("cifar10", dir=str(tmp_path), split="test"), *test)
    official = tfds.builder("cifar10", data_dir=tmp_path)
    ids = {example["id"].decode() for example in official.as_data_source("train")}
    assert ids == {f"train_{i:05d}" for i in range(20)}


def test_a_download_with_another_checksum_is_refused(serve, tmp_path, capsys):
    serve({url: b"tampered" for url in BUILDERS["cifar10"].url_infos})
    assert main(["--name", "cifar10", "--dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert "wrong checksum" in error and "\n" not in error
    assert not (tmp_path / "cifar10" / "3.0.2").exists()


def test_a_file_put_there_by_hand_is_used(register, tmp_path):
    content = cifar_tar(
        {f"data_batch_{i}.bin": noise(1, 32, 32, 3) for i in range(1, 6)}
        | {"test_batch.bin": noise(1, 32, 32, 3)}
    )
    register("cifar10", [content])
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "cifar-10-binary.tar.gz").write_bytes(content)
    prepare("cifar10", str(tmp_path))
    assert load_dataset("cifar10", dir=str(tmp_path)).num_examples == 5


@pytest.mark.parametrize("name", BUILDERS)
def test_the_checksums_are_those_that_tfds_registers(name):
    path = tfds.core.utils.tfds_path() / "url_checksums" / f"{name}.txt"
    registered = tfds.download.checksums.load_url_infos(path)
    for url, info in BUILDERS[name].url_infos.items():
        assert registered[url] == info


def test_without_a_network_one_line_and_status_2(tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", refuse)
    assert main(["--name", "cifar10", "--dir", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: cannot download https://www.cs.toronto.edu")
    assert f"{tmp_path}/downloads/manual/cifar-10-binary.tar.gz" in captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""


def test_the_command_refuses_an_unknown_name():
    command = [sys.executable, "-m", "jaxgan.data.prepare", "--name", "cifar01"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unknown data set to prepare 'cifar01'; did you mean 'cifar10'" in done.stderr
    assert "Traceback" not in done.stderr


def test_read_idx_refuses_what_is_none(tmp_path):
    good = gzip.decompress(idx(np.zeros((2, 3), np.uint8)))
    for i, (content, message) in enumerate(
        [
            (b"no gzip", "no readable gzip"),
            (gzip.compress(good)[:-12], "no readable gzip"),
            (gzip.compress(b"\x00\x00\x0d" + good[3:]), "no IDX file of unsigned bytes"),
            (gzip.compress(b""), "no IDX file"),
            (gzip.compress(good[:-1]), "contradicts"),
            (gzip.compress(good[:7]), "contradicts"),
        ]
    ):
        path = tmp_path / f"{i}.gz"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            read_idx(path)


def test_read_cifar10_refuses_what_is_none(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(b"no archive")
    with pytest.raises(UsageError, match="no readable tar.gz"):
        cifar10_classes(path)
    path.write_bytes(cifar_tar({"test_batch.bin": noise(1, 32, 32, 2)}))
    with pytest.raises(UsageError, match="expected a multiple of 3073"):
        list(read_cifar10(path, "test"))
    with pytest.raises(UsageError, match="no readable .*data_batch_1.bin"):
        list(read_cifar10(path, "train"))


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder"])
def test_a_member_that_is_no_plain_file_is_refused(kind, tmp_path):
    types_ = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE,
              "folder": tarfile.DIRTYPE}  # fmt: skip
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        for name in ("batches.meta.txt", "test_batch.bin"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.type, member.linkname = types_[kind], "/etc/passwd"
            tar.addfile(member)
    with pytest.raises(UsageError, match="no readable .*no plain file"):
        cifar10_classes(tmp_path / "x.tar.gz")
    with pytest.raises(UsageError, match="no readable .*no plain file"):
        list(read_cifar10(tmp_path / "x.tar.gz", "test"))


@pytest.mark.parametrize("place", ["first", "wanted", "header"])
def test_an_archive_that_fills_the_memory_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_CIFAR10_LIMIT", 100_000)
    member = tarfile.TarInfo("cifar-10-batches-bin/batches.meta.txt" if place == "wanted" else "x")
    if place == "header":
        member.pax_headers = {"comment": "x" * 1_000_000}
    else:
        member.size = 1_000_000
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(bytes(member.size)))
        wanted = tarfile.TarInfo("cifar-10-batches-bin/batches.meta.txt")
        wanted.size = 2
        tar.addfile(wanted, io.BytesIO(b"a\n"))
    with pytest.raises(UsageError, match="decompresses to more than 100000 bytes"):
        cifar10_classes(tmp_path / "x.tar.gz")
    monkeypatch.setattr(archives, "_IDX_LIMIT", 100_000)
    (tmp_path / "x.gz").write_bytes(idx(np.zeros((1000, 28, 28), np.uint8)))
    with pytest.raises(UsageError, match="decompresses to more than"):
        read_idx(tmp_path / "x.gz")


@settings(max_examples=100)
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7))))
def test_a_damaged_archive_is_one_line(cut, flips, tmp_path_factory):
    whole = cifar_tar({"test_batch.bin": noise(3, 32, 32, 3)})
    data = bytearray(whole[: 1 + int(cut * (len(whole) - 1))])
    for place, bit in flips:
        data[int(place * (len(data) - 1))] ^= 1 << bit
    path = tmp_path_factory.mktemp("damaged") / "x.tar.gz"
    path.write_bytes(data)
    try:
        assert len(list(read_cifar10(path, "test"))) == 3 or bytes(data) != whole
        cifar10_classes(path)
    except UsageError as error:
        assert str(path) in str(error) and "\n" not in str(error)
