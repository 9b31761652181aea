import jax
import numpy as np
import pytest

from jaxgan.errors import UsageError
from jaxgan.metrics.features import dinov2
from jaxgan.metrics.features.weights import load_arrays

SMALL = dinov2.Sizes(width=48, depth=2, heads=3)
TRAINED = 6  # patches along a side of the images that the random weights claim to be trained on


def hugging_face(sizes: dinov2.Sizes, trained: int):
    """`transformers`' network with random weights, every array of which matters."""
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    transformers = pytest.importorskip("transformers", reason="parity needs transformers")
    config = transformers.Dinov2Config(
        hidden_size=sizes.width,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        mlp_ratio=4,
        image_size=trained * 14,
        patch_size=14,
    )
    torch.manual_seed(0)
    model = transformers.Dinov2Model(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            near = 1.0 if "lambda1" in name or ("norm" in name and "weight" in name) else 0.0
            value.normal_(near, 0.2 if value.ndim < 2 else 0.7 / value.shape[-1] ** 0.5)
    return torch, model


def hub_names(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of `transformers`' file under the names in DINOv2's own files."""
    renamed = {}
    for name, value in arrays.items():
        if ".attention.attention." in name:
            if ".query." not in name:
                continue
            three = [arrays[name.replace("query", part)] for part in ("query", "key", "value")]
            name, value = (
                name.replace("attention.attention.query", "attn.qkv"),
                np.concatenate(three),
            )
        for theirs, own in (
            ("encoder.layer.", "blocks."),
            ("layernorm.", "norm."),
            ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.", ""),
            ("attention.output.dense", "attn.proj"),
            ("layer_scale", "ls"),
            ("lambda1", "gamma"),
        ):
            name = name.replace(theirs, own)
        renamed[name] = value
    return renamed


@pytest.mark.parametrize("size", [84, 56])
@pytest.mark.parametrize("kind", ["transformers", "hub"])
def test_equals_transformers(tmp_path, size, kind):
    """At the size of training and, with resized positions, at another."""
    torch, model = hugging_face(SMALL, TRAINED)
    model.save_pretrained(tmp_path)
    arrays = load_arrays(tmp_path / "model.safetensors")
    if kind == "hub":
        named = {name: torch.tensor(value) for name, value in hub_names(arrays).items()}
        torch.save(named, tmp_path / "a.pth")
        arrays = load_arrays(tmp_path / "a.pth")
    params = dinov2.params_from_arrays(arrays, SMALL, size=size, offset=0.0)
    images = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype(np.float32)
    with torch.no_grad():
        out = model(torch.tensor(images.transpose(0, 3, 1, 2)))
    wanted = out.last_hidden_state[:, 0].numpy()
    ours = jax.jit(dinov2.DINOv2(SMALL).apply)(params, images)["features"]
    assert ours.shape == wanted.shape == (2, SMALL.width)
    assert np.abs(np.asarray(ours) - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_positions_equal_torch(offset):
    """With the offset of DINOv2's own code, by torch's interpolation of the same scale."""
    torch = pytest.importorskip("torch", reason="parity needs PyTorch")
    positions = np.random.default_rng(0).normal(size=(1, 1 + 37 * 37, 8)).astype(np.float32)
    grid = torch.tensor(positions[:, 1:].reshape(1, 37, 37, 8).transpose(0, 3, 1, 2))
    scale = (16 + offset) / 37
    theirs = torch.nn.functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    ours = dinov2.resize_positions(positions, 16, offset)
    assert ours.shape == (1, 257, 8)
    np.testing.assert_array_equal(ours[:, 0], positions[:, 0])
    wanted = theirs.numpy().transpose(0, 2, 3, 1).reshape(1, 256, 8)
    np.testing.assert_allclose(ours[:, 1:], wanted, atol=1e-5)


def test_positions_of_the_same_size_stay():
    positions = np.random.default_rng(0).normal(size=(1, 17, 3))
    assert dinov2.resize_positions(positions, 4, 0.1) is positions


@pytest.mark.parametrize(
    "sizes, file_size", [(dinov2.VIT_S14, 88_283_115), (dinov2.VIT_L14, 1_217_586_395)]
)
def test_the_named_sizes_fill_the_published_files(sizes, file_size):
    """In float32, with the positions of 37x37 patches that they were trained with."""
    images = jax.ShapeDtypeStruct((1, 518, 518, 3), np.float32)
    shapes = jax.eval_shape(dinov2.DINOv2(sizes).init, jax.random.key(0), images)
    count = sum(x.size for x in jax.tree.leaves(shapes))
    assert 0.999 < 4 * count / file_size < 1


def test_weights_of_something_else():
    with pytest.raises(UsageError, match="not those of a DINOv2"):
        dinov2.params_from_arrays({"fc.weight": np.zeros((2, 2))}, SMALL)
    with pytest.raises(UsageError, match="not a square"):
        dinov2.resize_positions(np.zeros((1, 12, 3)), 2, 0.0)
