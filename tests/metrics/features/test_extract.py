import dataclasses
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES, extract
from jaxgan.metrics.features.network import prepare

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (37, 28, 28, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    return FEATURES["fashion_mnist"].load()


@pytest.mark.parametrize("batch_size", [1, 8, 37, 64])
def test_does_not_depend_on_batches(network, batch_size):
    """Neither on how images arrive nor on how many go at once, the last batch filled up or not."""
    whole = network(IMAGES)
    out = extract(network, [IMAGES[:5], IMAGES[5:6], IMAGES[6:]], batch_size)
    assert set(out) == {"features", "logits"}
    for name, array in out.items():
        assert array.dtype == np.float32 and len(array) == 37
        np.testing.assert_allclose(array, whole[name], rtol=1e-5, atol=1e-5)


def test_padding_changes_no_bit(network):
    """The same compiled batch, filled with other images or with zeros."""
    full = extract(network, [IMAGES[:16]], 16)["features"]
    part = extract(network, [IMAGES[:5]], 16)["features"]
    np.testing.assert_array_equal(part, full[:5])


def test_only_what_is_wanted(network):
    assert set(extract(network, [IMAGES], outputs=("features",))) == {"features"}


SCRIPT = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import numpy as np
from jaxgan.metrics.features import FEATURES, extract
images = np.random.default_rng(0).integers(0, 256, (37, 28, 28, 1), dtype=np.uint8)
out = extract(FEATURES["fashion_mnist"].load(), [images], batch_size=10)
assert jax.device_count() == int(sys.argv[1])
np.save(sys.argv[2], out["features"])
"""


def test_does_not_depend_on_the_number_of_devices(network, tmp_path):
    command = [sys.executable, "-c", SCRIPT, "4", str(tmp_path / "x.npy")]
    subprocess.run(command, check=True, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    np.testing.assert_allclose(
        np.load(tmp_path / "x.npy"), extract(network, [IMAGES])["features"], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "batches, message",
    [
        ([], "no images"),
        ([IMAGES[:0]], "no images"),
        ([IMAGES, IMAGES[:, :20]], "one size for all"),
        ([IMAGES.astype(np.float32)], "expected uint8"),
        ([IMAGES[0]], "expected uint8"),
        ([np.repeat(IMAGES, 3, axis=-1)], r"\[N, H, W, 1\]"),
    ],
)
def test_other_input_is_one_clear_line(network, batches, message):
    with pytest.raises(UsageError, match=message) as caught:
        extract(network, batches)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["inception", "dinov2_vits14", "efficientnet_lite0"])
def test_grey_is_repeated(name):
    description = FEATURES[name]
    grey = prepare(IMAGES[:2], description)
    colour = prepare(np.repeat(IMAGES[:2], 3, axis=-1), description)
    assert grey.shape == (2, description.size, description.size, 3)
    np.testing.assert_allclose(grey, colour, atol=1e-5)


def test_inputs_are_scaled_as_each_network_wants():
    ends = np.zeros((1, 299, 299, 3), np.uint8)
    ends[0, 0, 0] = 255
    x = prepare(ends, FEATURES["inception"])
    np.testing.assert_allclose(x[0, 0, 0], 127 / 128)
    np.testing.assert_allclose(x[0, 1, 1], -1)
    pytorch_fid = dataclasses.replace(FEATURES["inception"], mean=127.5, std=127.5)
    np.testing.assert_allclose(prepare(ends, pytorch_fid)[0, 0, 0], 1)
    white = np.full((1, 224, 224, 3), 255, np.uint8)
    np.testing.assert_allclose(
        prepare(white, FEATURES["dinov2_vits14"])[0, 0, 0],
        (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]),
        rtol=1e-5,
    )


def test_overshoot_is_clipped():
    """Beside an edge the cubic filter leaves 0..255."""
    image = np.zeros((1, 8, 8, 1), np.uint8)
    image[:, :, 4:] = 255
    x = prepare(image, dataclasses.replace(FEATURES["mnist"], resize="pil_bicubic"))
    assert x.min() == -1 and x.max() == 1


@pytest.mark.parametrize("name", FEATURES)
def test_descriptions_are_true(name):
    """Names, sizes and dimensions are what the modules say."""
    description = FEATURES[name]
    images = jax.ShapeDtypeStruct(
        (2, description.size, description.size, description.channels), np.float32
    )
    out, _ = jax.eval_shape(description.module.init_with_output, jax.random.key(0), images)
    assert out["features"].shape == (2, description.dimension)
    assert ("logits" in out) == (description.num_logits > 0)
    if "logits" in out:
        assert out["logits"].shape == (2, description.num_logits)
    assert description.name == name


def test_missing_weights_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXGAN_CACHE", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        FEATURES["inception"].load(tmp_path / "pt_inception.pth")
    message = str(caught.value)
    assert "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/" in message
    assert "6726825d0af5f729" in message and str(tmp_path) in message and "\n" not in message


def test_an_unknown_resize():
    with pytest.raises(UsageError, match="did you mean 'tf1'"):
        dataclasses.replace(FEATURES["inception"], resize="tf2")
