import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import make_feed
from jaxgan.data.sources import load_dataset
from jaxgan.data.stacked import stack
from jaxgan.errors import UsageError
from jaxgan.metrics import mode_counts

POINTS = np.zeros((2, 2))
WITH_MODES = {"ring": 8, "grid": 25, "mixture": 10, "gaussian": 1}


@pytest.mark.parametrize("name, modes", WITH_MODES.items())
def test_points_lie_about_their_modes_evenly(name, modes):
    data = load_dataset(name, num_points=5000)
    assert data.is_points and data.images.dtype == np.float32
    assert data.modes.centres.shape == (modes, *data.image_shape)
    distances = np.linalg.norm(data.images[:, None] - data.modes.centres, axis=-1)
    np.testing.assert_array_equal(distances.argmin(axis=1), data.labels)
    # In two dimensions 1.1% of a Gaussian lie beyond 3 sigma, in many nothing does.
    assert np.mean(distances.min(axis=1) > 3 * data.modes.sigma) < 0.02
    shares = np.bincount(data.labels, minlength=modes) / 5000
    assert np.abs(shares * modes - 1).max() < 0.3


@pytest.mark.parametrize(
    "name, options",
    [(name, {}) for name in WITH_MODES] + [("gaussian", {"dimension": d}) for d in (1, 20, 100)],
)
def test_the_points_themselves_find_every_mode(name, options):
    data = load_dataset(name, num_points=2500, **options)
    found = mode_counts(data.images, *data.modes)
    assert found.modes == len(data.modes.centres) and found.high_quality > 0.97


def test_published_places():
    ring, grid = load_dataset("ring", num_points=10), load_dataset("grid", num_points=10)
    np.testing.assert_allclose(np.linalg.norm(ring.modes.centres, axis=1), 1.0)
    assert {*grid.modes.centres.ravel().tolist()} == {-4.0, -2.0, 0.0, 2.0, 4.0}
    assert (ring.modes.sigma, grid.modes.sigma) == (0.01, 0.05)


@pytest.mark.parametrize("name", [*WITH_MODES, "spiral", "two_moons"])
def test_points_are_a_function_of_their_seed(name):
    first, again, other = (
        load_dataset(name, num_points=50, points_seed=seed).images for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.shape[0] == 50


@pytest.mark.parametrize("name", [*WITH_MODES, "spiral", "two_moons"])
def test_a_negative_seed_is_refused(name):
    with pytest.raises(UsageError, match="points_seed is -1; expected a whole number from 0"):
        load_dataset(name, points_seed=-1)


def test_a_spiral_and_moons_are_where_they_should_be():
    spiral = load_dataset("spiral", num_points=2000, sigma=1e-6).images
    radius = np.linalg.norm(spiral, axis=1)
    angle = np.arctan2(spiral[:, 1], spiral[:, 0])
    np.testing.assert_allclose(
        np.exp(1j * (4 * np.pi * radius - angle)), 1.0, atol=1e-3
    )  # angle = 4 pi radius, for two turns
    moons = load_dataset("two_moons", num_points=2000, sigma=1e-6)
    upper = moons.images[moons.labels == 0] + [0.5, 0.25]
    np.testing.assert_allclose(np.linalg.norm(upper, axis=1), 1.0, atol=1e-4)
    assert (upper[:, 1] > -1e-4).all()


def test_points_of_a_file(tmp_path):
    path, points = tmp_path / "p.npz", np.arange(6.0).reshape(3, 2)
    np.savez(path, points=points, centres=points[:1], sigma=0.5)
    data = load_dataset("points", dir=str(path))
    np.testing.assert_array_equal(data.images, points)
    assert data.modes.sigma == 0.5 and data.modes.centres.shape == (1, 2)


@pytest.mark.parametrize(
    "arrays, part",
    [
        ({"x": np.zeros(3)}, r"must hold points.*x \[3\]"),
        ({"points": np.full((2, 2), np.nan)}, "finite numbers"),
        ({"points": np.full((2, 2), 1e300)}, "in the range of float32"),
        ({"points": POINTS, "centres": np.zeros((1, 3)), "sigma": 1.0}, r"\[K, 2\]"),
        ({"points": POINTS, "centres": np.full((1, 2), np.nan), "sigma": 1.0}, "finite numbers"),
        ({"points": POINTS, "centres": POINTS}, "sigma, a number above 0"),
        ({"points": POINTS, "centres": POINTS, "sigma": np.ones(2)}, "sigma, a number above 0"),
        ({"points": POINTS, "centers": POINTS, "sigma": 1.0}, "it holds centers"),
    ],
)
def test_wrong_files(tmp_path, arrays, part):
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(UsageError, match=part):
        load_dataset("points", dir=str(tmp_path / "p.npz"))


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"num_points": 0}, {"side": -1}])
def test_wrong_options(options):
    with pytest.raises(UsageError, match="must be positive"):
        load_dataset("grid", **options)


@pytest.mark.parametrize("name", ["spiral", "two_moons"])
def test_curves_have_points(name):
    with pytest.raises(UsageError, match="num_points must be positive"):
        load_dataset(name, num_points=-5)


def test_points_are_not_mirrored():
    with pytest.raises(UsageError, match="data.flip mirrors images"):
        make_feed(load_dataset("ring", num_points=9), 3, jax.random.key(0), flip=True)


def test_points_are_fed_as_they_are():
    data = load_dataset("grid", num_points=40)
    feed = make_feed(data, 40, jax.random.key(0))
    batch = feed.batch(feed.inputs(0), jax.random.key(0), 0)
    assert sorted(batch["image"][0].tolist()) == sorted(data.images.tolist())


@pytest.fixture
def stacked():
    """Triples of images that tell their number by their pixels."""
    digits = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return stack(Dataset(name="digits", images=digits), 600, "stacked")


def test_stacks_are_three_digits_each(stacked):
    assert stacked.num_examples == 600 and stacked.image_shape == (2, 2, 3)
    examples = stacked.take(np.arange(600))
    assert examples.shape == (600, 2, 2, 3)
    channels = examples[:, 0, 0]
    np.testing.assert_array_equal(
        examples, np.broadcast_to(channels[:, None, None], (600, 2, 2, 3))
    )
    # All digits evenly, and hundreds of different triples.
    np.testing.assert_array_equal(np.bincount(channels.ravel()), 90)
    assert len({*map(tuple, channels.tolist())}) > 500


def test_stacks_are_gathered_alike_on_the_device(stacked):
    indices = np.array([[5, 599], [0, 7]])
    on_device = jax.jit(stacked.gather)(jnp.asarray(stacked.images), jnp.asarray(indices))
    chex.assert_trees_all_equal(np.asarray(on_device), stacked.gather(stacked.images, indices))
    feed = make_feed(stacked, 600, jax.random.key(0))
    batch = feed.batch(feed.inputs(0), jax.random.key(0), 0)["image"][0]
    fed = np.round((np.asarray(batch)[:, 0, 0] + 1) * 127.5).astype(int)
    whole = stacked.take(np.arange(600))[:, 0, 0]
    assert sorted(map(tuple, fed.tolist())) == sorted(map(tuple, whole.tolist()))


def test_labels_of_gathered_examples_are_one_for_each_of_these(stacked):
    labels = np.arange(600, dtype=np.int32) % 5
    made = dataclasses.replace(stacked, labels=labels, classes=tuple("abcde"))
    feed = make_feed(made, 600, jax.random.key(0))
    batch = feed.batch(feed.inputs(0), jax.random.key(0), 0)
    fed = np.round((np.asarray(batch["image"][0])[:, 0, 0] + 1) * 127.5).astype(int)
    known = {}
    triples = made.take(np.arange(600))[:, 0, 0].tolist()
    for triple, label in zip(triples, labels.tolist(), strict=True):
        known.setdefault(tuple(triple), set()).add(label)
    own = zip(fed.tolist(), batch["label"][0].tolist(), strict=True)
    assert all(label in known[tuple(triple)] for triple, label in own)
    with pytest.raises(UsageError, match="one integer for each of the 600 images"):
        dataclasses.replace(stacked, labels=labels[:20], classes=tuple("abcde"))


@pytest.mark.parametrize("name", ["ring", "grid", "mixture", "two_moons", "gaussian"])
def test_labels_of_modes_are_there_for_those_who_ask(name):
    given, without = (load_dataset(name, num_points=60, labels=asked) for asked in (True, False))
    assert given.num_classes == given.labels.max() + 1 and without.labels is None
    np.testing.assert_array_equal(given.images, without.images)
