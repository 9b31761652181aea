"""DINOv2 (Oquab et al. 2023): vision transformers whose features Frechet distances do well with.

Stein et al. 2023 found distances of ViT-L/14's features to agree with people better than
Inception's. The feature is the class token after the last norm, of images of 224x224.
"""

import dataclasses
import functools
import math

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.features.weights import Published

SIZE = 224
PATCH = 14
# Of 0 to 255: the mean and the deviation of ImageNet's colours that the networks were trained with.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    width: int
    depth: int
    heads: int


VIT_S14 = Sizes(width=384, depth=12, heads=6)
VIT_L14 = Sizes(width=1024, depth=24, heads=16)
_URL = "https://dl.fbaipublicfiles.com/dinov2"
PUBLISHED_S14 = Published(
    file="dinov2_vits14_pretrain.pth",
    url=f"{_URL}/dinov2_vits14/dinov2_vits14_pretrain.pth",
    sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
)
PUBLISHED_L14 = Published(
    file="dinov2_vitl14_pretrain.pth",
    url=f"{_URL}/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
)

_LayerNorm = functools.partial(nn.LayerNorm, epsilon=1e-6, use_fast_variance=False)


class Block(nn.Module):
    """Attention and a perceptron, each after a norm, scaled per channel, and added."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        ones = nn.initializers.ones_init()
        queries, keys, values = jnp.split(
            nn.Dense(3 * width, name="qkv")(_LayerNorm(name="norm1")(x)), 3, axis=-1
        )
        split = lambda t: t.reshape(*t.shape[:-1], self.heads, width // self.heads)
        mixed = jax.nn.dot_product_attention(split(queries), split(keys), split(values))
        mixed = nn.Dense(width, name="proj")(mixed.reshape(x.shape))
        x = x + mixed * self.param("ls1", ones, (width,))
        hidden = nn.Dense(4 * width, name="fc1")(_LayerNorm(name="norm2")(x))
        hidden = nn.Dense(width, name="fc2")(nn.gelu(hidden, approximate=False))
        return x + hidden * self.param("ls2", ones, (width,))


class DINOv2(nn.Module):
    """Images [B, S, S, 3], normalized by `MEAN` and `STD`, to {"features": [B, width]}.

    S is a multiple of 14; the class token and the positions belong to one S, 224 if the weights
    come from `params_from_arrays` as it is.
    """

    sizes: Sizes

    @nn.compact
    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        chex.assert_rank(images, 4)
        batch, side, width = images.shape[0], images.shape[1] // PATCH, self.sizes.width
        # A convolution of stride 14 is one product per patch.
        patches = images.reshape(batch, side, PATCH, side, PATCH, 3)
        patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(batch, side * side, -1)
        x = nn.Dense(width, name="patch_embed")(patches)
        normal = nn.initializers.normal(0.02)
        token = self.param("cls_token", normal, (1, 1, width))
        x = jnp.concatenate([jnp.broadcast_to(token, (batch, 1, width)), x], axis=1)
        x = x + self.param("pos_embed", normal, (1, side * side + 1, width))
        for i in range(self.sizes.depth):
            x = Block(self.sizes.heads, name=f"blocks_{i}")(x)
        return {"features": _LayerNorm(name="norm")(x)[:, 0]}


def cubic_matrix(size: int, out: int, scale: float) -> np.ndarray:
    """PyTorch's bicubic interpolation without antialiasing, [out, size]: Keys 1981 with a = -3/4.

    The source of i is (i + 0.5) / scale - 0.5, and beyond the border the border goes on.
    """
    a = -0.75
    sources = (np.arange(out) + 0.5) / scale - 0.5
    base = np.floor(sources).astype(int)
    matrix = np.zeros((out, size))
    for tap in (-1, 0, 1, 2):
        x = np.abs(sources - (base + tap))
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        columns = np.clip(base + tap, 0, size - 1)
        np.add.at(matrix, (np.arange(out), columns), np.where(x < 1, near, far))
    return matrix


def resize_positions(positions: np.ndarray, side: int, offset: float) -> np.ndarray:
    """Position embeddings [1, 1 + n * n, D] for `side` by `side` patches, n being of training.

    offset: DINOv2's own code interpolates with the scale (side + 0.1) / n, which moves every
    place a little; 0 is the scale side / n, as in the library `transformers`.
    """
    n = math.isqrt(positions.shape[1] - 1)
    if n * n != positions.shape[1] - 1:
        raise UsageError(f"{positions.shape[1]} position embeddings are not a square and a token")
    if n == side:
        return positions
    token, grid = positions[:, :1], positions[0, 1:].reshape(n, n, -1)
    matrix = cubic_matrix(n, side, (side + offset) / n)
    grid = np.einsum("oh,hwd,pw->opd", matrix, grid.astype(np.float64), matrix, optimize=True)
    return np.concatenate([token, grid.reshape(1, side * side, -1)], axis=1)


# How `transformers` names what DINOv2's own files name otherwise, within a block.
_TRANSFORMERS_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def _own_names(arrays: dict[str, np.ndarray], depth: int) -> dict[str, np.ndarray]:
    """The arrays of a file that `transformers` wrote, under the names of DINOv2's own files."""
    arrays = {name.removeprefix("dinov2."): array for name, array in arrays.items()}
    named = {
        "cls_token": arrays["embeddings.cls_token"],
        "pos_embed": arrays["embeddings.position_embeddings"],
    }
    layers = {"patch_embed.proj": "embeddings.patch_embeddings.projection", "norm": "layernorm"}
    for i in range(depth):
        own, theirs = f"blocks.{i}", f"encoder.layer.{i}"
        for ours, other in _TRANSFORMERS_BLOCK.items():
            layers[f"{own}.{ours}"] = f"{theirs}.{other}"
        for n in (1, 2):
            named[f"{own}.ls{n}.gamma"] = arrays[f"{theirs}.layer_scale{n}.lambda1"]
        for leaf in ("weight", "bias"):
            three = [f"{theirs}.attention.attention.{q}.{leaf}" for q in ("query", "key", "value")]
            named[f"{own}.attn.qkv.{leaf}"] = np.concatenate([arrays[name] for name in three])
    for ours, other in layers.items():
        for leaf in ("weight", "bias"):
            named[f"{ours}.{leaf}"] = arrays[f"{other}.{leaf}"]
    return named


def params_from_arrays(
    arrays: dict[str, np.ndarray], sizes: Sizes, *, size: int = SIZE, offset: float = 0.1
) -> dict:
    """The variables of `DINOv2` for images of `size`, from the names of its own files or HF's.

    offset: see `resize_positions`; 0.1 is what DINOv2's own code and dgm-eval use.

    Raises:
      UsageError: an array is missing.
    """
    try:
        if "embeddings.cls_token" in arrays or "dinov2.embeddings.cls_token" in arrays:
            arrays = _own_names(arrays, sizes.depth)
        filled = _fill(arrays, sizes, size // PATCH, offset)
    except KeyError as error:
        raise UsageError(f"the weights hold no {error}: they are not those of a DINOv2") from error
    return {"params": jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), filled)}


def _fill(arrays: dict[str, np.ndarray], sizes: Sizes, side: int, offset: float) -> dict:
    def dense(name: str) -> dict:
        return {"kernel": arrays[f"{name}.weight"].T, "bias": arrays[f"{name}.bias"]}

    def norm(name: str) -> dict:
        return {"scale": arrays[f"{name}.weight"], "bias": arrays[f"{name}.bias"]}

    patch = arrays["patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    params = {
        "patch_embed": {
            "kernel": patch.reshape(-1, patch.shape[-1]),
            "bias": arrays["patch_embed.proj.bias"],
        },
        "cls_token": arrays["cls_token"],
        "pos_embed": resize_positions(arrays["pos_embed"], side, offset),
        "norm": norm("norm"),
    }
    for i in range(sizes.depth):
        block = f"blocks.{i}"
        params[f"blocks_{i}"] = {
            "norm1": norm(f"{block}.norm1"),
            "norm2": norm(f"{block}.norm2"),
            "qkv": dense(f"{block}.attn.qkv"),
            "proj": dense(f"{block}.attn.proj"),
            "fc1": dense(f"{block}.mlp.fc1"),
            "fc2": dense(f"{block}.mlp.fc2"),
            "ls1": arrays[f"{block}.ls1.gamma"],
            "ls2": arrays[f"{block}.ls2.gamma"],
        }
    return params
