"""The Inception v3 of the Frechet Inception distance, from TensorFlow's archive of 2015-12-05.

It differs from the usual Inception v3 (Szegedy et al. 2016): average pools leave the padding out
of the mean, the last block's pool is a maximum, the norms' epsilon is 1e-3, and there are 1008
logits. The weights are those that Heusel et al. 2017 used, as PyTorch's `pt_inception-2015-12-05`.

Inference only, so the same function is written as it runs fastest:
- batch normalization is folded into the convolution before it (`params_from_arrays`);
- the 1x1 convolutions that a block applies to its input are one;
- the average pool is applied after its 1x1 convolution, to 32 to 192 channels and not to 192 to
  2048: both are linear, and the pool's weights sum to 1, which lets the bias through;
- pools are maxima and sums of shifted views, row by row and column by column;
- convolutions take the form that is fastest on CPU (convolve.py).
"""

from collections.abc import Sequence

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import UsageError
from jaxgan.metrics.features.convolve import convolve
from jaxgan.metrics.features.weights import Published

SIZE = 299
DIMENSION = 2048
NUM_LOGITS = 1008
PUBLISHED = Published(
    file="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
_EPSILON = 1e-3


class _Convolution(nn.Module):
    """A convolution and its bias, into which a norm is folded."""

    features: int
    kernel: tuple[int, int]
    strides: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (*self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return convolve(x, kernel, strides=self.strides, padding=self.padding) + bias


class Unit(_Convolution):
    """The same, and relu."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu(super().__call__(x))


class Pointwise(nn.Module):
    """1x1 convolutions of one input, computed as one: an output for each of `features`.

    Without relu: the last one may still be pooled.
    """

    features: Sequence[int]

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        y = _Convolution(sum(self.features), (1, 1), name="all")(x)
        return jnp.split(y, np.cumsum(self.features)[:-1], axis=-1)


def _shifted(x: jax.Array, axis: int, strides: int) -> list[jax.Array]:
    """The three views of x that a window of 3 sees along `axis`."""
    count = (x.shape[axis] - 3) // strides + 1
    return [
        jax.lax.slice_in_dim(x, i, i + (count - 1) * strides + 1, strides, axis) for i in range(3)
    ]


def max_pool(x: jax.Array, strides: int = 2) -> jax.Array:
    """The maximum over windows of 3x3, without padding. x: [B, H, W, C]."""
    for axis in (1, 2):
        first, second, third = _shifted(x, axis, strides)
        x = jnp.maximum(jnp.maximum(first, second), third)
    return x


def average_pool(x: jax.Array) -> jax.Array:
    """The mean over what a window of 3x3 around each place holds of the image. x: [B, H, W, C]."""
    for axis in (1, 2):
        n = x.shape[axis]
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1)
        first, second, third = _shifted(jnp.pad(x, pad), axis, 1)
        counts = np.full(n, 3, np.float32)
        counts[[0, -1]] = 2  # n >= 2
        shape = [1] * 4
        shape[axis] = n
        x = (first + second + third) * (1 / counts).reshape(shape)
    return x


class BlockA(nn.Module):
    """35x35: 1x1; 5x5; 3x3 twice; average pool."""

    pool_features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        one, five, three, pool = Pointwise((64, 48, 64, self.pool_features), name="pointwise")(x)
        five = Unit(64, (5, 5), name="branch5x5_2")(nn.relu(five))
        three = Unit(96, (3, 3), name="branch3x3dbl_2")(nn.relu(three))
        three = Unit(96, (3, 3), name="branch3x3dbl_3")(three)
        return jnp.concatenate([nn.relu(one), five, three, nn.relu(average_pool(pool))], axis=-1)


class BlockB(nn.Module):
    """35x35 -> 17x17: 3x3; 3x3 twice; maximum pool."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        one = Unit(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        three = Unit(64, (1, 1), name="branch3x3dbl_1")(x)
        three = Unit(96, (3, 3), name="branch3x3dbl_2")(three)
        three = Unit(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(three)
        return jnp.concatenate([one, three, max_pool(x)], axis=-1)


class BlockC(nn.Module):
    """17x17: 1x1; 7x7 as 1x7 and 7x1; twice that; average pool."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        n = self.width
        one, seven, double, pool = Pointwise((192, n, n, 192), name="pointwise")(x)
        seven = Unit(n, (1, 7), name="branch7x7_2")(nn.relu(seven))
        seven = Unit(192, (7, 1), name="branch7x7_3")(seven)
        double = Unit(n, (7, 1), name="branch7x7dbl_2")(nn.relu(double))
        double = Unit(n, (1, 7), name="branch7x7dbl_3")(double)
        double = Unit(n, (7, 1), name="branch7x7dbl_4")(double)
        double = Unit(192, (1, 7), name="branch7x7dbl_5")(double)
        return jnp.concatenate([nn.relu(one), seven, double, nn.relu(average_pool(pool))], axis=-1)


class BlockD(nn.Module):
    """17x17 -> 8x8: 3x3; 7x7 and 3x3; maximum pool."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        three, seven = Pointwise((192, 192), name="pointwise")(x)
        three = Unit(320, (3, 3), 2, "VALID", name="branch3x3_2")(nn.relu(three))
        seven = Unit(192, (1, 7), name="branch7x7x3_2")(nn.relu(seven))
        seven = Unit(192, (7, 1), name="branch7x7x3_3")(seven)
        seven = Unit(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(seven)
        return jnp.concatenate([three, seven, max_pool(x)], axis=-1)


class BlockE(nn.Module):
    """8x8: 1x1; 1x3 beside 3x1; 3x3, then 1x3 beside 3x1; pool, by average or by maximum."""

    pooling: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.pooling == "average":
            one, three, double, pool = Pointwise((320, 384, 448, 192), name="pointwise")(x)
            pool = average_pool(pool)
        else:
            one, three, double = Pointwise((320, 384, 448), name="pointwise")(x)
            # x comes from a relu: zeros around it decide no maximum.
            pooled = max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), strides=1)
            pool = _Convolution(192, (1, 1), name="pool")(pooled)
        three, double = nn.relu(three), nn.relu(double)
        double = Unit(384, (3, 3), name="branch3x3dbl_2")(double)
        parts = [
            nn.relu(one),
            Unit(384, (1, 3), name="branch3x3_2a")(three),
            Unit(384, (3, 1), name="branch3x3_2b")(three),
            Unit(384, (1, 3), name="branch3x3dbl_3a")(double),
            Unit(384, (3, 1), name="branch3x3dbl_3b")(double),
            nn.relu(pool),
        ]
        return jnp.concatenate(parts, axis=-1)


class Stem(nn.Module):
    """Images [B, 299, 299, 3] to [B, 35, 35, 192]: what comes before the blocks."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Unit(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = Unit(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = Unit(64, (3, 3), name="Conv2d_2b_3x3")(x)
        x = max_pool(x)
        x = Unit(80, (1, 1), name="Conv2d_3b_1x1")(x)
        x = Unit(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x)
        return max_pool(x)


def _one_by_one(stem: Stem, images: jax.Array) -> jax.Array:
    """The same, in a loop over images: 150x150 places of one image fit into a CPU's caches."""
    step = lambda stem, _, image: (None, stem(image[None])[0])
    loop = nn.scan(
        step,
        variable_broadcast="params",
        variable_axes={"intermediates": 0},
        split_rngs={"params": False},
    )
    return loop(stem, None, images)[1]


class Inception(nn.Module):
    """Images [B, 299, 299, 3], as (pixel - 128) / 128 of 0 to 255, to features and logits.

    Returns {"features": [B, 2048], "logits": [B, 1008], "logits_unbiased": [B, 1008]}, the last
    without the biases of the last layer: the Inception score of the original leaves them out.
    """

    @nn.compact
    def __call__(self, images: jax.Array) -> dict[str, jax.Array]:
        chex.assert_shape(images, (None, SIZE, SIZE, 3), custom_message="images of Inception")
        stem = Stem(name="stem")
        on_cpu = jax.default_backend() == "cpu"
        x = _one_by_one(stem, images) if on_cpu else stem(images)
        x = BlockA(32, name="Mixed_5b")(x)
        x = BlockA(64, name="Mixed_5c")(x)
        x = BlockA(64, name="Mixed_5d")(x)
        x = BlockB(name="Mixed_6a")(x)
        x = BlockC(128, name="Mixed_6b")(x)
        x = BlockC(160, name="Mixed_6c")(x)
        x = BlockC(160, name="Mixed_6d")(x)
        x = BlockC(192, name="Mixed_6e")(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE("average", name="Mixed_7b")(x)
        x = BlockE("maximum", name="Mixed_7c")(x)
        features = x.mean(axis=(1, 2))
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (DIMENSION, NUM_LOGITS))
        bias = self.param("bias", nn.initializers.zeros_init(), (NUM_LOGITS,))
        unbiased = features @ kernel
        return {"features": features, "logits": unbiased + bias, "logits_unbiased": unbiased}


# The convolutions of the file that one of ours holds side by side.
_MERGED = {
    "A": ("branch1x1", "branch5x5_1", "branch3x3dbl_1", "branch_pool"),
    "C": ("branch1x1", "branch7x7_1", "branch7x7dbl_1", "branch_pool"),
    "D": ("branch3x3_1", "branch7x7x3_1"),
    "E": ("branch1x1", "branch3x3_1", "branch3x3dbl_1", "branch_pool"),
}
_POINTWISE = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _MERGED["A"]),
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _MERGED["C"]),
    "Mixed_7a": _MERGED["D"],
    "Mixed_7b": _MERGED["E"],
    "Mixed_7c": _MERGED["E"][:-1],
}


def _sources(layer: list[str]) -> list[str]:
    """The convolutions of the file that make up our `layer`, as names with dots."""
    block = layer[0]
    if block == "stem":
        return layer[1:]
    if layer[1:] == ["pointwise", "all"]:
        return [f"{block}.{name}" for name in _POINTWISE[block]]
    if layer[1:] == ["pool"]:
        return [f"{block}.branch_pool"]
    return [".".join(layer)]


def params_from_arrays(arrays: dict[str, np.ndarray]) -> dict:
    """The variables of `Inception` from PyTorch's names and layouts, the norms folded in.

    Raises:
      UsageError: an array is missing or has another shape.
    """
    shapes = jax.eval_shape(
        Inception().init, jax.random.key(0), jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    )

    def get(name: str) -> np.ndarray:
        if name not in arrays:
            raise UsageError(f"the weights hold no {name}: they are not those of the FID Inception")
        return np.asarray(arrays[name], np.float64)

    def fill(path: tuple, wanted: jax.ShapeDtypeStruct) -> jax.Array:
        names = tuple(key.key for key in path)[1:]  # without "params"
        if len(names) == 1:
            value = get("fc.weight").T if names == ("kernel",) else get("fc.bias")
        else:
            *layer, leaf = names
            value = np.concatenate([_folded(get, n)[leaf] for n in _sources(layer)], axis=-1)
        if value.shape != wanted.shape:
            raise UsageError(
                f"the weights of {'.'.join(names)} have shape {value.shape}; the FID Inception's"
                f" have {wanted.shape}"
            )
        return jnp.asarray(value, jnp.float32)

    return jax.tree.map_with_path(fill, shapes)


def _folded(get, name: str) -> dict[str, np.ndarray]:
    """Kernel [h, w, I, O] and bias [O] of a convolution and its norm as one, in float64."""
    kernel = get(f"{name}.conv.weight").transpose(2, 3, 1, 0)
    scale = get(f"{name}.bn.weight") / np.sqrt(get(f"{name}.bn.running_var") + _EPSILON)
    bias = get(f"{name}.bn.bias") - get(f"{name}.bn.running_mean") * scale
    return {"kernel": kernel * scale, "bias": bias}
