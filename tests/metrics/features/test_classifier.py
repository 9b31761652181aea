import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES, classifier, extract

NAMES = ["mnist", "fashion_mnist"]


def test_the_weights_of_both_take_less_than_two_megabytes():
    assert {p.name for p in classifier.WEIGHTS.iterdir()} == {f"{n}.safetensors" for n in NAMES}
    assert sum(path.stat().st_size for path in classifier.WEIGHTS.iterdir()) < 2 * 2**20


def test_pack_and_unpack():
    variables = classifier.Classifier().init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    chex.assert_trees_all_equal(classifier.unpack(classifier.pack(variables)), variables)


def test_fashion_mnist_is_recognised():
    """Of images that come with the package; they were trained on, so this is no accuracy."""
    data = load_dataset("fashion_mnist_10k")
    network = FEATURES["fashion_mnist"].load()
    out = extract(network, [data.images[:500]], batch_size=250)
    assert out["features"].shape == (500, 96) and out["logits"].shape == (500, 10)
    assert np.mean(out["logits"].argmax(axis=1) == data.labels[:500]) > 0.9


def test_mnist_knows_a_one_from_a_zero():
    """A bar and a ring, drawn here."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    bar = (np.abs(columns) < 1.5) & (np.abs(rows) < 9)
    radius = np.hypot(rows, columns * 1.3)
    ring = (radius > 6.5) & (radius < 9)
    images = (255 * np.stack([bar, ring])[..., None]).astype(np.uint8)
    out = extract(FEATURES["mnist"].load(), [images], batch_size=2)
    assert out["logits"].argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_stated(name, tmp_path):
    network = FEATURES[name].load()
    assert network.verified and len(network.sha256) == 64
    other = next(n for n in NAMES if n != name)
    path = classifier.WEIGHTS / f"{other}.safetensors"
    with pytest.raises(UsageError, match=f"not {name}.safetensors"):
        FEATURES[name].load(path)
    assert not FEATURES[name].load(path, verify=False).verified


def test_the_training_script_learns(tmp_path, monkeypatch):
    """One epoch of a thousand images, two classes, through the script's own functions."""
    import importlib.util

    from conftest import ROOT

    path = ROOT / "experiments" / "classifiers" / "train.py"
    spec = importlib.util.spec_from_file_location("train_classifiers", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    data = load_dataset("fashion_mnist_10k")
    few = np.flatnonzero(data.labels < 2)[:320]
    images, labels = data.images[few], data.labels[few]
    losses = []
    script.fit(
        images, labels, "fashion_mnist", epochs=3, batch_size=32, seed=0,
        report=lambda epoch, loss: losses.append(loss),
    )  # fmt: skip
    assert losses[-1] < 0.75 * losses[0] and len(losses) == 3
