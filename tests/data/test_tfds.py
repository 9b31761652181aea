import contextlib
import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "tfds"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no prepared data sets in {SHARED}")


@contextlib.contextmanager
def mocked(num_examples=12):
    """TFDS's mock, whose `__getitems__` wants a `self` that it is never given."""

    def getitems(record_keys, generator):
        return [generator[key] for key in record_keys]

    policy = tfds.testing.MockPolicy.USE_CODE
    with (
        mock.patch("tensorflow_datasets.testing.mocking._getitems", getitems),
        tfds.testing.mock_data(num_examples=num_examples, policy=policy),
    ):
        yield


def test_mocked_cifar10_resident_and_lazy():
    with mocked():
        data = load_dataset("cifar10")
        assert data.num_examples == 12 and data.image_shape == (32, 32, 3)
        assert data.images.dtype == np.uint8 and data.num_classes == 10
        assert data.labels.shape == (12,) and data.labels.dtype == np.int32
        # Without labels: to skip the decoding of images, the mock would need TensorFlow.
        lazy = load_dataset("tfds", builder="cifar10", max_resident_mb=0, labels=False)
        assert not lazy.is_resident and lazy.labels is None and lazy.image_shape == (32, 32, 3)
        np.testing.assert_array_equal(np.stack([lazy.images[i] for i in range(12)]), data.images)


def test_mocked_cifar10_reshaped_and_without_labels():
    with mocked():
        data = load_dataset("cifar10", resolution=16, channels=1, labels=False)
    assert data.images.shape == (12, 16, 16, 1) and data.labels is None


@pytest.mark.parametrize(
    "builder, key, kind",
    [
        ("celeb_a", "attributes", "a group of features"),
        ("lfw", "label", "object"),
        ("voc", "labels", r"int64 \[None\]"),
    ],
)
def test_labels_that_are_not_one_number_of_each_image_are_refused(builder, key, kind):
    with mocked(), pytest.raises(UsageError, match=f"feature '{key}' of {builder} is {kind};"):
        load_dataset("tfds", builder=builder, label_key=key, resolution=16)


@pytest.mark.parametrize("name, size", [("mnist", 60_000), ("fashion_mnist", 60_000)])
@needs_shared
def test_the_real_sets(name, size):
    data = load_dataset(name, dir=str(SHARED), split="train[:20%]")
    assert data.images.shape == (size // 5, 28, 28, 1)
    assert data.num_classes == 10 and np.all(np.bincount(data.labels) > size / 70)
    assert 20 < data.images.mean() < 100


@needs_shared
def test_the_embedded_set_is_the_start_of_the_real_one():
    real = load_dataset("fashion_mnist", dir=str(SHARED), split="train[:10000]")
    embedded = load_dataset("fashion_mnist_10k")
    np.testing.assert_array_equal(real.images, embedded.images)
    np.testing.assert_array_equal(real.labels, embedded.labels)
    assert real.classes == embedded.classes


@needs_shared
def test_a_set_of_its_own_with_two_images_in_each_example():
    def load(**kwargs):
        return load_dataset("tfds", builder="emoji", dir=str(SHARED), split="test", **kwargs)

    noto, twemoji = load(), load(image_key="image_twemoji")
    assert noto.images.shape == twemoji.images.shape == (440, 64, 64, 3)
    np.testing.assert_array_equal(noto.labels, twemoji.labels)
    assert noto.num_classes == 10 and not noto.classes[0].isdigit()
    assert np.any(noto.images != twemoji.images)
    lazy = load(max_resident_mb=0, resolution=32)
    assert not lazy.is_resident and lazy.image_shape == (32, 32, 3)
    np.testing.assert_array_equal(lazy.labels, noto.labels)
    for kwargs, message in (
        ({"image_key": "picture"}, "no image feature 'picture'; .* image, image_twemoji"),
        ({"image_key": "label"}, "no image feature 'label'"),
        ({"label_key": "class", "labels": True}, "has no labels, .* name one as label_key"),
    ):
        with pytest.raises(UsageError, match=message):
            load(**kwargs)
    assert load(label_key="class").labels is None


@needs_shared
def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match="no split 'tset'; choose from train, test"):
        load_dataset("mnist", dir=str(SHARED), split="tset")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_set_that_is_not_prepared_says_how_to(name, tmp_path):
    with pytest.raises(UsageError) as caught:
        load_dataset(name, dir=str(tmp_path))
    assert f"python -m jaxgan.data.prepare --name {name} --dir {tmp_path}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_other_sets_that_are_not_there(tmp_path):
    for kwargs, message in (
        ({"builder": "no_such_set"}, "no TFDS data set 'no_such_set' under"),
        ({"builder": "svhn_cropped"}, "not prepared in .*tfds.builder\\('svhn_cropped'"),
        ({"builder": ""}, "holds no prepared data set .*give builder"),
        ({"builder": "", "dir": ""}, "needs builder"),
        ({"builder": "cifar10:9.9.9"}, "9.9.9"),
        ({"builder": "not a name!"}, "not a name!"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            load_dataset("tfds", **{"dir": str(tmp_path), **kwargs})
        assert "\n" not in str(caught.value)
