"""The light networks: what their paper says of them, against computations of another kind."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import light
from jaxgan.networks.apply import apply, init
from jaxgan.objectives.reconstruction import reconstruction

KEY = jax.random.key(0)


def shapes(module, *inputs):
    """Of all collections, what is sown too."""
    keys = {"params": KEY, "dropout": KEY}
    make = lambda *args: module.init(keys, *args, train=True, mutable=True)
    return jax.eval_shape(make, *inputs)


def scaled(module, *inputs, **kwargs):
    """The output with parameters of deviation 1/4, and those: fresh ones are all but linear."""
    params = module.init(KEY, *inputs, **kwargs)["params"]
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    leaves = [0.25 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(tree, leaves)
    return np.asarray(module.apply({"params": params}, *inputs, **kwargs)), params


def conv(x, layer, *, stride=1, pad=0, up=False):
    """By sums over the window, in NumPy; x: [B, H, W, C]."""
    kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer.get("bias", 0.0))
    x = np.repeat(np.repeat(x, 2, 1), 2, 2) if up else np.asarray(x)
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = kernel.shape[:2]
    out = [(side - size) // stride + 1 for side, size in zip(x.shape[1:3], (rows, columns),
                                                             strict=True)]  # fmt: skip
    y = np.zeros((len(x), *out, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i : i + stride * out[0] : stride, j : j + stride * out[1] : stride]
            y += np.einsum("bhwc,cd->bhwd", window, kernel[i, j])
    return y + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def glu(x):
    half = x.shape[-1] // 2
    return x[..., :half] * sigmoid(x[..., half:])


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


X = jax.random.normal(KEY, (2, 8, 8, 3))


@pytest.mark.parametrize("twice", [False, True])
def test_an_up_block_is_upsampling_convolution_and_gate(twice):
    y, params = scaled(light.UpBlock(5, "none", twice), X, train=True)
    expected = glu(conv(X, params["UpsampleConv_0"], pad=1, up=True))
    if twice:
        expected = glu(conv(expected, params["Conv_0"], pad=1))
    chex.assert_shape(y, (2, 16, 16, 5))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_a_down_block_is_the_mean_of_its_branches():
    y, params = scaled(light.DownBlock(5, "none", False), X, train=True)
    deep = leaky(conv(X, params["Conv_0"], stride=2, pad=1))
    deep = leaky(conv(deep, params["Conv_1"], pad=1))
    pooled = np.asarray(X).reshape(2, 4, 2, 4, 2, 3).mean((2, 4))
    shallow = leaky(conv(pooled, params["Conv_2"]))
    np.testing.assert_allclose(y, (deep + shallow) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (4, 4), (16, 4), (6, 7)])
def test_an_excitation_gates_channels_of_the_higher_side(shape):
    """Equation 1; sides that 4 does not divide are pooled to 3, 2 or 1 parts."""
    low, high = jax.random.normal(KEY, (2, *shape, 3)), jax.random.normal(KEY, (2, 5, 6, 7))
    y, params = scaled(light.Excitation(), low, high)
    rows, columns = {(6, 7): (3, 1)}.get(shape, (4, 4))
    pooled = np.stack([np.stack([part.mean((1, 2)) for part in np.split(row, columns, 2)], 1)
                       for row in np.split(np.asarray(low), rows, 1)], 1)  # fmt: skip
    gates = leaky(conv(pooled, params["Conv_0"]), 0.1)
    gates = sigmoid(conv(gates, params["Conv_1"]))
    chex.assert_shape(gates, (2, 1, 1, 7))
    np.testing.assert_allclose(y, gates * np.asarray(high), rtol=1e-4, atol=1e-5)
    assert np.abs(gates - 0.5).max() > 0.01


@pytest.mark.parametrize("power", range(4, 11))
def test_every_power_of_two_with_the_published_widths(power):
    side, channels = 2**power, (1, 3, 4, 6)[power % 4]
    gen = light.Generator((side, side, channels), latent_dim=9, width=8)
    disc = light.Discriminator((side, side, channels), width=8)

    def play():
        keys = {"params": KEY, "dropout": KEY}
        images, made = gen.init_with_output(keys, jnp.zeros((2, 9)), train=True)
        return images, made, *disc.init_with_output(keys, images, train=True, mutable=True)

    images, made, logits, judge = jax.eval_shape(play)
    chex.assert_shape(images, (2, side, side, channels))
    chex.assert_shape(logits, (2,))
    levels = power - 2
    params = made["params"]
    widths = [params[f"UpBlock_{n}"]["UpsampleConv_0"]["kernel"].shape[-1] // 2 for n in
              range(levels)]  # fmt: skip
    assert widths == [64, 32, 16, 16, 8, 4, 2, 1][:levels]
    assert params["Dense_0"]["kernel"].shape == (9, 4 * 4 * 2 * 128)
    excited = [name for name in params if name.startswith("Excitation")]
    assert len(excited) == max(1, levels - 3)
    first = params["Excitation_0"]["Conv_0"]["kernel"].shape
    assert first == (4, 4, 128, widths[min(4, levels) - 1]), "of 4 pixels, four levels up"
    blocks = [name for name in judge["params"] if name.startswith("DownBlock")]
    assert len(blocks) == levels - 1
    drawn = judge["intermediates"]["reconstructions"][0]
    size = 4 * 2 ** min(levels - 1, 5)
    for pair in drawn:
        chex.assert_shape(pair, (2, size, size, channels))


def test_what_is_drawn_is_of_the_whole_and_of_one_quarter():
    """The targets are what the discriminator saw, shrunk; each quarter has its turn."""
    disc = light.Discriminator((16, 16, 1), width=1)
    images = jax.random.normal(KEY, (3, 16, 16, 1))
    params, variables = jax.jit(lambda: init(disc, KEY, images, None))()
    look = jax.jit(lambda key: apply(disc, params, variables, images, None, train=True, key=key)[2])
    halves = np.asarray(images).reshape(3, 8, 2, 8, 2, 1).mean((2, 4))
    quarters = [images[:, i : i + 8, j : j + 8] for i in (0, 8) for j in (0, 8)]
    seen = set()
    for seed in range(20):
        (_, whole), (_, part) = look(jax.random.key(seed))["reconstructions"][0]
        np.testing.assert_allclose(whole, halves, atol=1e-6)
        (which,) = [n for n, quarter in enumerate(quarters) if (part == quarter).all()]
        seen.add(which)
    assert seen == {0, 1, 2, 3}
    _, _, sown = apply(disc, params, variables, images, None, train=False)
    assert "reconstructions" not in sown
    plain = shapes(light.Discriminator((16, 16, 1), width=1, decode=False), images)
    assert "reconstructions" not in plain["intermediates"]
    assert "decoder_of_whole" not in plain["params"]


def test_a_part_is_drawn_from_its_own_quarter_of_the_features():
    """What lies in the other quarters does not matter to it."""
    disc = light.Discriminator((16, 16, 1), width=2, spectral_norm=False)
    images = jax.random.normal(KEY, (1, 16, 16, 1))
    params, variables = jax.jit(lambda: init(disc, KEY, images, None))()
    params = jax.tree.map(lambda p: 20 * p, params)

    def part(images):
        sown = apply(disc, params, variables, images, None, train=True, key=jax.random.key(3))[2]
        return sown["reconstructions"][0][1]

    _, target = jax.jit(part)(images)
    slopes = np.abs(jax.jit(jax.grad(lambda x: part(x)[0].sum()))(images))[0, ..., 0]
    (i, j) = next((i, j) for i in (0, 8) for j in (0, 8)
                  if (target == images[:, i : i + 8, j : j + 8]).all())  # fmt: skip
    far = slopes.copy()
    far[max(0, i - 1) : i + 9, max(0, j - 1) : j + 9] = 0  # a convolution sees a pixel further
    assert slopes.sum() > 0 and far.sum() == 0


def test_reconstruction_is_the_mean_distance_of_each_image():
    drawn, seen = np.asarray(X), np.asarray(X[::-1])
    expected = [np.abs(a - b).mean() for a, b in zip(drawn, seen, strict=True)]
    value = reconstruction(((drawn, seen), (drawn + 1, drawn)))
    np.testing.assert_allclose(value, np.array(expected) + 1, rtol=1e-6)
    slopes = jax.grad(lambda seen: reconstruction(((X, seen),)).sum())(X + 1)
    assert not slopes.any(), "the images are not moved towards what is drawn"


def test_decoders_cost_nothing_where_nobody_asks_for_them():
    """The compiled logits are those of a discriminator without decoders."""
    images = jnp.zeros((2, 16, 16, 1))

    def flops(decode):
        disc = light.Discriminator((16, 16, 1), width=1, decode=decode)
        params, variables = jax.jit(lambda: init(disc, KEY, images, None))()
        logits = lambda p: apply(disc, p, variables, images, None, train=True, key=KEY)[0]
        return jax.jit(logits).lower(params).compile().cost_analysis()["flops"]

    assert flops(True) == flops(False)


def test_batch_norm_is_where_it_should_be():
    gen = shapes(light.Generator((16, 16, 1), width=1), jnp.zeros((2, 256)))
    assert len(jax.tree.leaves(gen["batch_stats"])) == 2 * 4  # the first, and 2 + 1 in the blocks
    assert "bias" not in gen["params"]["Dense_0"]
    disc = light.Discriminator((16, 16, 1), width=1, norm="batch")
    assert disc.mixes_examples and not light.Discriminator((16, 16, 1)).mixes_examples
    found = shapes(disc, jnp.zeros((2, 16, 16, 1)))
    assert found["batch_stats"] and found["spectral"]
    free = light.Discriminator((16, 16, 1), width=1, spectral_norm=False)
    assert "spectral" not in shapes(free, jnp.zeros((2, 16, 16, 1)))


def test_glu_against_flax():
    np.testing.assert_allclose(light.glu(X[..., :2]), nn.glu(X[..., :2]), rtol=1e-6)
