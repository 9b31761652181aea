import inspect
import sys
import types
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.data import npz
from jaxgan.data.dataset import Dataset
from jaxgan.data.embedded import FASHION_MNIST_10K
from jaxgan.data.sources import DATASETS, load_dataset
from jaxgan.errors import UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), np.uint8)


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_the_embedded_set():
    data = load_dataset("fashion_mnist_10k")
    assert data.images.shape == (10_000, 28, 28, 1) and data.images.dtype == np.uint8
    assert data.image_shape == (28, 28, 1) and data.num_examples == 10_000
    assert data.classes[0] == "T-shirt/top" and data.num_classes == 10
    counts = np.bincount(data.labels)
    assert counts.min() == 966 and counts.max() == 1028
    assert FASHION_MNIST_10K.stat().st_size < 5_000_000
    notice = FASHION_MNIST_10K.with_name("NOTICE").read_text()
    assert "Copyright (c) 2017 Zalando SE, https://tech.zalando.com" in notice


def test_the_embedded_set_padded_to_32_keeps_its_pixels():
    plain, padded = (
        load_dataset("fashion_mnist_10k", **kwargs)
        for kwargs in ({}, {"resolution": 32, "crop": "pad", "labels": False})
    )
    np.testing.assert_array_equal(padded.images[:, 2:30, 2:30], plain.images)
    assert padded.images.sum(dtype=np.int64) == plain.images.sum(dtype=np.int64)
    assert padded.labels is None and padded.classes == ()


def test_the_embedded_set_has_one_split():
    with pytest.raises(UsageError, match="has no split 'test', only 'train'"):
        load_dataset("fashion_mnist_10k", split="test")


@pytest.mark.parametrize("name", DATASETS)
def test_every_source_takes_the_common_arguments_and_names_a_wrong_one(name):
    takes_images = "resolution" in inspect.signature(DATASETS[name]).parameters
    hint = ".*did you mean 'resol" if takes_images else ""
    with pytest.raises(UsageError, match=f"unknown argument .*'resolutoin'{hint}"):
        load_dataset(name, resolutoin=32)
    if not takes_images:
        return
    with pytest.raises(UsageError, match="unknown resize filter 'lancsoz'; did you mean"):
        load_dataset(
            name, dir="", split="train", resolution=32, channels=3, resize="lancsoz",
            crop="center", labels=True, on_bad_image="raise",
            **({"builder": "mnist"} if name == "tfds" else {}),
        )  # fmt: skip


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown data set 'minst'; did you mean 'mnist'"):
        load_dataset("minst")


def test_a_data_set_that_lives_elsewhere(monkeypatch):
    module = types.ModuleType("elsewhere_sets")
    module.noise = lambda *, size: Dataset(name="noise", images=IMAGES[:size])
    monkeypatch.setitem(sys.modules, "elsewhere_sets", module)
    assert load_dataset("elsewhere_sets:noise", size=3).num_examples == 3
    with pytest.raises(UsageError, match="has no function 'nosie'"):
        load_dataset("elsewhere_sets:nosie")
    with pytest.raises(UsageError, match="cannot import 'no_such_module'"):
        load_dataset("no_such_module:noise")


def test_npz(tmp_path):
    path = save(tmp_path / "train.npz", images=IMAGES, labels=[0, 1, 2, 1, 0], classes=list("abc"))
    for dir in (path, str(tmp_path)):
        data = load_dataset("npz", dir=dir)
        np.testing.assert_array_equal(data.images, IMAGES)
        np.testing.assert_array_equal(data.labels, [0, 1, 2, 1, 0])
        assert data.classes == ("a", "b", "c") and data.labels.dtype == np.int32
    grey = load_dataset("npz", dir=save(tmp_path / "grey.npz", images=IMAGES[..., 0]))
    assert grey.image_shape == (8, 6, 1) and grey.labels is None
    assert load_dataset("npz", dir=path, resolution=4, channels=1).image_shape == (4, 4, 1)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"pictures": IMAGES}, r"holds \['pictures'\]; expected a key 'images'"),
        ({"images": IMAGES / 255}, "images are float64; expected uint8"),
        ({"images": IMAGES[0, 0]}, r"shape \[6, 3\]; expected \[N, H, W, C\]"),
        ({"images": IMAGES[:0]}, "holds no images"),
        ({"images": IMAGES, "labels": [0, 1]}, "one integer for each of the 5 images"),
        ({"images": IMAGES, "labels": np.ones(5)}, "labels are float64"),
        ({"images": IMAGES, "labels": np.ones((5, 1), int)}, r"save labels\[:, 0\] if they are"),
        ({"images": IMAGES, "labels": [0, 3, 7, 2 * 10**9, 1]}, "reach 2000000000, of 5 images"),
        ({"images": IMAGES, "labels": [0, 1, -1, 0, 0]}, "labels go from -1 to 1"),
        ({"images": IMAGES, "labels": [0, 1, 2, 0, 0], "classes": ["a"]}, "expected 0 to 0"),
        ({"images": np.array([{}], object)}, "not a readable .npz file of plain arrays"),
    ],
)
def test_a_wrong_npz_is_refused(tmp_path, arrays, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_dataset("npz", dir=save(tmp_path / "x.npz", **arrays))
    assert "\n" not in str(caught.value)


def test_npz_that_is_no_npz(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "one.npy", IMAGES)
    whole = save(tmp_path / "whole.npz", images=IMAGES)
    half = tmp_path / "half.npz"
    half.write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    for dir, message in (
        ("", "needs dir"),
        (str(tmp_path / "none.npz"), "no file"),
        (str(tmp_path), "no file .*train.npz"),
        (str(tmp_path / "text.npz"), "not a readable .npz file"),
        (str(half), "not a readable .npz file"),
        (str(tmp_path / "one.npy"), "is a single array"),
    ):
        with pytest.raises(UsageError, match=message):
            load_dataset("npz", dir=dir)
    with pytest.raises(UsageError, match="has no labels, which were asked for"):
        load_dataset("npz", dir=whole, labels=True)


def test_npz_that_fills_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "FREE", 2**20)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (9, 1024, 1024, 1)}
            )
            for _ in range(9):
                file.write(bytes(2**20))
    with pytest.raises(UsageError, match="declares 9437312 bytes in a file of"):
        load_dataset("npz", dir=str(path))
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999999,), }"
    with zipfile.ZipFile(path, "w") as archive:
        head = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("images.npy", head)
    for name in ("npz", "points"):
        with pytest.raises(UsageError, match="not a readable .npz file"):
            load_dataset(name, dir=str(path))


@settings(max_examples=150)
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7))))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_npz_is_one_line(cut, flips, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "x.npz"
    np.savez_compressed(path, images=IMAGES, labels=[0, 1, 2, 1, 0])
    data = bytearray(path.read_bytes())
    data = data[: 1 + int(cut * (len(data) - 1))]
    for place, bit in flips:
        data[int(place * (len(data) - 1))] ^= 1 << bit
    path.write_bytes(data)
    try:
        load_dataset("npz", dir=str(path))
    except UsageError as error:
        assert str(error)
