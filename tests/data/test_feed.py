import threading

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import OneDevice, ResidentFeed, StreamFeed, make_feed, to_float
from jaxgan.data.order import batch_indices
from jaxgan.errors import UsageError

KEY = jax.random.key(5)


class Lazy:
    """An ImageSource over an array."""

    def __init__(self, images, fails_at=None):
        self.images, self.fails_at = images, fails_at

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index == self.fails_at:
            raise UsageError("cannot read image bad.png")
        return self.images[index]


def dataset(n=23, lazy=False, labels=True):
    images = np.random.default_rng(0).integers(0, 256, (n, 6, 5, 3), np.uint8)
    return Dataset(
        name="noise",
        images=Lazy(images) if lazy else images,
        labels=np.arange(n) % 4 if labels else None,
        classes=tuple("abcd") if labels else (),
    )


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("labels", [False, True])
def test_both_feeds_give_the_same_bits(flip, labels):
    resident = make_feed(dataset(labels=labels), 4, KEY, draws=3, flip=flip)
    stream = make_feed(dataset(labels=labels, lazy=True), 4, KEY, draws=3, flip=flip)
    assert isinstance(resident, ResidentFeed) and isinstance(stream, StreamFeed)
    one, two = jax.jit(resident.batch), jax.jit(stream.batch)
    for step in (0, 1, 2, 2, 9, 10, 4, 0):
        expected = one(resident.inputs(step), KEY, step)
        chex.assert_trees_all_equal(two(stream.inputs(step), KEY, step), expected)
        assert expected["image"].shape == (3, 4, 6, 5, 3)
        assert ("label" in expected) == labels


def test_a_batch_holds_the_examples_of_the_order():
    data = dataset()
    feed = ResidentFeed(data, 4, draws=2)
    batch = feed.batch(feed.inputs(6), KEY, 6)
    indices = batch_indices(np.asarray(jax.random.key_data(KEY)), 6, 2, 4, 23)
    np.testing.assert_array_equal(batch["label"], data.labels[indices])
    np.testing.assert_allclose(batch["image"], data.images[indices] / 127.5 - 1, atol=1e-6)


def test_to_float_is_exact_at_the_ends_symmetric_and_invertible():
    pixels = np.arange(256, dtype=np.uint8)
    values = np.asarray(jax.jit(to_float)(pixels))
    assert values[0] == -1 and values[255] == 1
    np.testing.assert_array_equal(values, -values[::-1])
    np.testing.assert_array_equal(np.round((values + 1) * 127.5).astype(np.uint8), pixels)


def test_flips_mirror_about_half_of_the_images_and_change_with_the_step():
    plain = ResidentFeed(dataset(200), 200)
    flipped = ResidentFeed(dataset(200), 200, flip=True)
    fractions = []
    masks = []
    for step in range(2):
        before = plain.batch(plain.inputs(step), KEY, step)["image"][0]
        after = flipped.batch(flipped.inputs(step), KEY, step)["image"][0]
        mirrored = np.all(np.asarray(after == before[:, :, ::-1]), axis=(1, 2, 3))
        kept = np.all(np.asarray(after == before), axis=(1, 2, 3))
        assert np.all(mirrored ^ kept)
        fractions.append(mirrored.mean())
        masks.append(mirrored)
    assert all(0.35 < fraction < 0.65 for fraction in fractions)
    assert np.any(masks[0] != masks[1])


def test_resident_inputs_stay_and_the_batch_is_traced_once():
    feed = ResidentFeed(dataset(), 4, flip=True)
    assert feed.inputs(0) is feed.inputs(7)
    assert feed.inputs(0)["images"].dtype == jnp.uint8
    chex.clear_trace_counter()
    batch = jax.jit(chex.assert_max_traces(feed.batch, n=1))
    for step in range(5):
        batch(feed.inputs(step), KEY, jnp.int32(step))


class Noting(OneDevice):
    """A placement that reads every other example, and says what it placed."""

    def __init__(self):
        self.seen = []

    def whole(self, arrays):
        self.seen.append({name: array.shape for name, array in arrays.items()})
        return super().whole(arrays)

    def rows(self, count):
        return np.arange(0, count, 2)

    def shared(self, arrays, count):
        self.seen.append({name: array.shape for name, array in arrays.items()} | {"of": count})
        return super().shared(arrays, count)


def test_a_placement_puts_the_whole_set_or_the_examples_that_it_asked_for():
    placement = Noting()
    make_feed(dataset(), 4, KEY, placement=placement)
    some = make_feed(dataset(lazy=True), 4, KEY, draws=3, placement=placement).inputs(5)
    whole = make_feed(dataset(lazy=True), 4, KEY, draws=3).inputs(5)
    assert placement.seen[0]["labels"] == (23,)
    assert placement.seen[1]["labels"] == (3, 2) and placement.seen[1]["of"] == 4
    for name, array in some.items():
        np.testing.assert_array_equal(array, whole[name][:, :, ::2])


def test_jumps_leave_no_threads_behind():
    feed = make_feed(dataset(lazy=True), 4, KEY)
    feed.inputs(0)
    before = threading.active_count()
    for step in range(100, 0, -5):
        feed.inputs(step)
    assert threading.active_count() <= before + 20


def test_a_bad_image_ends_the_stream_with_its_own_error():
    source = Lazy(dataset().images, fails_at=3)
    feed = make_feed(Dataset(name="noise", images=source), 23, KEY)
    with pytest.raises(UsageError, match="cannot read image bad.png"):
        feed.inputs(0)
    with pytest.raises(UsageError, match="cannot read image bad.png"):
        feed.inputs(0)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("batch_size", [-1, 0, 24])
def test_a_batch_size_that_cannot_be_is_refused(lazy, batch_size):
    with pytest.raises(UsageError, match=f"batch_size is {batch_size}; expected 1 to 23"):
        make_feed(dataset(lazy=lazy), batch_size, KEY)


def test_no_draws_and_a_lazy_resident_set_are_refused():
    with pytest.raises(UsageError, match="draws is 0"):
        make_feed(dataset(), 4, KEY, draws=0)
    with pytest.raises(UsageError, match="use StreamFeed"):
        ResidentFeed(dataset(lazy=True), 4)
