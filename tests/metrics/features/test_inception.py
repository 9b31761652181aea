import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.features import inception

BLOCKS = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
BLOCKS += [f"Mixed_{name}" for name in "5b 5c 5d 6a 6b 6c 6d 6e 7a 7b 7c".split()]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """torch-fidelity's network with random weights, read from a file as its own would be."""
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    module = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3", reason="parity needs torch-fidelity"
    )
    network_class = module.FeatureExtractorInceptionV3
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:  # no weights to load yet
        patch.setattr(network_class, "load_state_dict", lambda self, state: None)
        torch.save({}, path)
        network = network_class("x", ["2048"], feature_extractor_weights_path=str(path))
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight)
        elif isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2.0)
            part.weight.uniform_(0.5, 1.5)
            part.bias.normal_(0, 0.2)
    torch.save(network.state_dict(), path)
    outputs = ["2048", "logits_unbiased", "logits"]
    return network_class("x", outputs, feature_extractor_weights_path=str(path)), path


@pytest.mark.parametrize("size", [32])
def test_every_block_equals_torch_fidelity(theirs, size):
    """Each within 1e-5 of its norm, and of its largest value, images and all."""
    import torch

    from jaxgan.metrics.features import FEATURES
    from jaxgan.metrics.features.network import prepare
    from jaxgan.metrics.features.weights import load_arrays

    network, path = theirs
    wanted = {}
    for name in BLOCKS:
        keep = lambda _module, _inputs, output, name=name: wanted.update({name: output.clone()})
        getattr(network, name).register_forward_hook(keep)
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    with torch.no_grad():
        outputs = network(torch.tensor(images.transpose(0, 3, 1, 2)))

    variables = inception.params_from_arrays(load_arrays(path))

    @jax.jit
    def run(variables, images):
        prepared = prepare(images, FEATURES["inception"])
        keep = lambda module, _method: module.name in BLOCKS
        return inception.Inception().apply(variables, prepared, capture_intermediates=keep)

    ours, state = run(variables, jnp.asarray(images))
    blocks = state["intermediates"]
    blocks = {**blocks, **blocks.pop("stem")}
    for name in BLOCKS:
        expected = wanted[name].numpy().transpose(0, 2, 3, 1)
        value = blocks[name]["__call__"][-1]
        assert_close(value.reshape(expected.shape), expected, name)
    for name, value in zip(["features", "logits_unbiased", "logits"], outputs, strict=True):
        assert_close(ours[name], value.numpy(), name)


def assert_close(ours, theirs, name):
    assert ours.shape == theirs.shape and np.abs(theirs).max() > 1e-3
    error = np.asarray(ours, np.float64) - theirs
    assert np.linalg.norm(error) <= 1e-5 * np.linalg.norm(theirs), name
    assert np.abs(error).max() <= 1e-5 * np.abs(theirs).max(), name


def test_pools():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(inception.max_pool(x, 1)[0, :, :, 0], [[10, 11], [14, 15]])
    np.testing.assert_array_equal(inception.max_pool(x, 2)[0, :, :, 0], [[10]])
    means = inception.average_pool(x)[0, :, :, 0]
    # A corner has four places, an edge six, the inside nine; padding is left out.
    np.testing.assert_allclose(means[0, 0], (0 + 1 + 4 + 5) / 4)
    np.testing.assert_allclose(means[0, 1], (0 + 1 + 2 + 4 + 5 + 6) / 6)
    np.testing.assert_allclose(means[2, 2], 10)


def test_average_pool_keeps_constants():
    np.testing.assert_allclose(inception.average_pool(jnp.full((1, 7, 5, 2), 3.0)), 3.0, rtol=1e-6)


def test_weights_of_something_else():
    with pytest.raises(UsageError, match="hold no .*FID Inception"):
        inception.params_from_arrays({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)})


def test_weights_of_another_shape(theirs):
    """torchvision's Inception has 1000 logits under the same name."""
    from jaxgan.metrics.features.weights import load_arrays

    arrays = load_arrays(theirs[1])
    arrays["fc.bias"] = arrays["fc.bias"][:1000]
    with pytest.raises(UsageError, match="bias have shape"):
        inception.params_from_arrays(arrays)
