import dataclasses
import itertools

import numpy as np
import pytest

from jaxgan.data.dataset import Dataset
from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import Images, Memory, images_of, reference


@pytest.fixture
def network(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXGAN_CACHE", str(tmp_path))
    return FEATURES["mnist"].load()


@pytest.fixture
def counted(monkeypatch):
    """How often features were computed."""
    calls = []
    extract = reference.extract

    def counting(*arguments, **keywords):
        calls.append(1)
        return extract(*arguments, **keywords)

    monkeypatch.setattr(reference, "extract", counting)
    return calls


def pictures(seed=0, count=5):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return Images(name="pictures", count=count, read=lambda a, b: pixels[a:b])


def test_features_are_kept(network, counted):
    first = reference.kept_features_of(pictures(), network)
    again = reference.kept_features_of(pictures(), network)
    assert len(counted) == 1 and first.shape == (5, 96)
    np.testing.assert_array_equal(first, again)


def test_other_images_counts_inputs_and_weights_have_other_keys(network):
    paths = {
        reference.cache_path(pictures(), network),
        reference.cache_path(pictures(seed=1), network),
        reference.cache_path(pictures(count=4), network),
    }
    network.description = dataclasses.replace(network.description, resize="tf1")
    paths.add(reference.cache_path(pictures(), network))
    network.sha256 = "0" * 64
    paths.add(reference.cache_path(pictures(), network))
    assert len(paths) == 5


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_damaged_file_counts_as_missing(network, counted, content):
    whole = reference.kept_features_of(pictures(), network)
    reference.cache_path(pictures(), network).write_bytes(content)
    np.testing.assert_array_equal(reference.kept_features_of(pictures(), network), whole)
    assert len(counted) == 2


def test_a_cache_that_cannot_be_written_costs_nothing_else(network, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("JAXGAN_CACHE", str(tmp_path / "file"))
    assert reference.kept_features_of(pictures(), network).shape == (5, 96)


def test_protocols_share_the_features_of_fakes(network, counted):
    memory, fakes = Memory(), pictures()
    for _ in range(2):
        memory.features_of(fakes, network, ("features",))
    assert len(counted) == 1


def test_a_set_at_the_place_of_one_that_is_gone_has_features_of_its_own(network):
    memory, found = Memory(), []
    for seed in range(5):
        fakes = pictures(seed=seed)
        found.append(memory.features_of(fakes, network, ("features",))["features"])
        del fakes
    for first, second in itertools.combinations(found, 2):
        assert (first != second).any()


class Source:
    """Images read one by one."""

    def __init__(self, pixels):
        self.pixels = pixels

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.pixels[index]


@pytest.mark.parametrize("wrap", [np.asarray, Source])
def test_real_images_come_shuffled_each_once(wrap):
    pixels = np.arange(600, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    labels = np.arange(600, dtype=np.int32)
    classes = tuple(map(str, range(600)))
    data = Dataset(name="sorted", images=wrap(pixels), labels=labels, classes=classes)
    whole = images_of(data)
    assert sorted(whole.labels.tolist()) == list(range(600)) and whole.labels[:9].max() > 9
    np.testing.assert_array_equal(whole.pixels(600)[:, 0, 0, 0], whole.labels.astype(np.uint8))
    part = images_of(data, 300)
    np.testing.assert_array_equal(part.labels, whole.labels[:300])
    assert part.sha256() != whole.sha256()
    with pytest.raises(UsageError, match="601 real images are asked for; sorted has 600"):
        images_of(data, 601)
