import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES, perceptual_distance
from jaxgan.metrics.features.network import prepare


@pytest.fixture(scope="module")
def network():
    return FEATURES["mnist"].load()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)


def test_equals_its_definition(network):
    """Layer by layer, through the network's own modules."""
    x, y = pictures(3), pictures(3, seed=1)
    description = network.description
    _, seen = description.module.apply(
        network.variables,
        prepare(np.concatenate([x, y]), description),
        capture_intermediates=True,
        mutable=["intermediates"],
    )
    wanted = np.zeros(3)
    for name in [f"Layer_{i}" for i in range(5)]:
        (layer,) = seen["intermediates"][name]["__call__"]
        layer = np.asarray(layer, np.float64)
        unit = layer / (np.linalg.norm(layer, axis=-1, keepdims=True) + 1e-10)
        wanted += ((unit[:3] - unit[3:]) ** 2).sum(-1).mean((1, 2))
    np.testing.assert_allclose(perceptual_distance(network, x, y), wanted, rtol=1e-4)


def test_is_zero_of_equal_images_symmetric_and_independent_of_the_batch(network):
    x, y = pictures(20), pictures(20, seed=1)
    found = perceptual_distance(network, x, y)
    np.testing.assert_array_equal(perceptual_distance(network, x, x), 0.0)
    np.testing.assert_allclose(perceptual_distance(network, y, x), found, rtol=1e-5)
    np.testing.assert_allclose(perceptual_distance(network, x[17:], y[17:]), found[17:], rtol=1e-4)


def test_wrong_images(network):
    with pytest.raises(UsageError, match="must both be images"):
        perceptual_distance(network, pictures(2), pictures(3))
