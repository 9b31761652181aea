"""The residual families: what their papers say of them."""

import sys
from functools import partial
from types import SimpleNamespace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.networks import NETWORKS, biggan, biggan_deep, r3gan, resnet
from jaxgan.networks.apply import apply, init

RESIDUAL = {
    "resnet": {"width": 1},
    "biggan": {"width": 1},
    "biggan_deep": {"width": 1},
    "r3gan": {"widths": (4, 2), "blocks": (1,), "group_size": 4},
}


def shapes(module, *inputs):
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(0)}
    return jax.eval_shape(lambda: module.init(keys, *inputs, train=True))


def count(module, *inputs):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes(module, *inputs)["params"]))


def counts(name, gen, disc, *, classes=0):
    """Parameters of both networks at 32x32x3."""
    family, shape = NETWORKS[name], {"image_shape": (32, 32, 3), "num_classes": classes}
    gen, disc = family.Generator(**shape, **gen), family.Discriminator(**shape, **disc)
    labels = [jnp.zeros(2, jnp.int32)] * bool(classes)
    latents, images = jnp.zeros((2, gen.latent_dim)), jnp.zeros((2, 32, 32, 3))
    return count(gen, latents, *labels), count(disc, images, *labels)


@pytest.mark.parametrize("name", RESIDUAL)
@settings(max_examples=10)
@given(
    powers=st.tuples(st.integers(4, 8), st.integers(4, 8)),
    channels=st.sampled_from([1, 2, 3, 4]),
    classes=st.sampled_from([0, 3]),
)
def test_powers_of_two_of_any_ratio(name, powers, channels, classes):
    family = NETWORKS[name]
    shape = (2 ** powers[0], 2 ** powers[1], channels)
    fields = {"image_shape": shape, "num_classes": classes, **RESIDUAL[name]}
    gen, disc = family.Generator(latent_dim=9, **fields), family.Discriminator(**fields)
    labels = [jnp.zeros(2, jnp.int32)] * bool(classes)

    def play():
        keys = {"params": jax.random.key(0)}
        images, _ = gen.init_with_output(keys, jnp.zeros((2, 9)), *labels, train=True)
        return images, disc.init_with_output(keys, images, *labels, train=True)[0]

    images, logits = jax.eval_shape(play)
    chex.assert_shape(images, (2, *shape))
    chex.assert_shape(logits, (2,))


@pytest.mark.parametrize("name", ["resnet", "biggan", "biggan_deep"])
@pytest.mark.parametrize("conditioning", ["concat", "batch_norm"])
def test_generators_learn_of_the_label_where_they_should(name, conditioning):
    """By batch norm, in every block; or beside the latents, in the first layer alone."""
    fields = {"image_shape": (16, 16, 1), "num_classes": 3, "latent_dim": 6, "width": 1}
    gen = NETWORKS[name].Generator(conditioning=conditioning, **fields)
    params = shapes(gen, jnp.zeros((2, 6)), jnp.zeros(2, jnp.int32))["params"]
    blocks = [tree for layer, tree in params.items() if layer.startswith("BlockUp")]
    assert len(blocks) == (4 if name == "biggan_deep" else 2)
    alone = NETWORKS[name].Generator(**{**fields, "num_classes": 0})
    norms = jax.tree.leaves(
        [{k: v for k, v in block.items() if "BatchNorm" in k} for block in blocks]
    )
    unconditional = shapes(alone, jnp.zeros((2, 6)))["params"]
    of_latents = jax.tree.leaves(
        [
            {k: v for k, v in tree.items() if "BatchNorm" in k}
            for layer, tree in unconditional.items()
            if layer.startswith("BlockUp")
        ]
    )
    more = sum(x.size for x in norms) - sum(x.size for x in of_latents)
    assert (more > 0) == (conditioning == "batch_norm")
    inputs = params["Dense_0"]["kernel"].shape[0]
    assert (inputs > unconditional["Dense_0"]["kernel"].shape[0]) == (
        conditioning == "concat" or name == "biggan_deep"
    )


def test_conditional_batch_norm_needs_batch_norm():
    gen = resnet.Generator((8, 8, 1), num_classes=3, norm="none", conditioning="batch_norm")
    with pytest.raises(ValueError, match="needs gen.norm='batch'; got 'none'"):
        shapes(gen, jnp.zeros((2, 128)), jnp.zeros(2, jnp.int32))


def test_sngan_has_the_published_tables():
    """Miyato et al. 2018, tables 4 and 5, parameter by parameter."""
    conv = lambda i, o, k=3: k * k * i * o + o
    gen = 128 * 4 * 4 * 256 + 4 * 4 * 256 + conv(256, 3) + 2 * 256
    gen += 3 * (2 * conv(256, 256) + conv(256, 256, 1) + 2 * 2 * 256)
    disc = conv(3, 128) + conv(128, 128) + conv(3, 128, 1)
    disc += 6 * conv(128, 128) + conv(128, 128, 1) + 129
    assert counts("resnet", {}, {}) == (gen, disc) == (4_276_739, 1_053_825)


def test_sngan_at_128_has_the_published_widths():
    """Table 6: 1024-1024-512-256-128-64 and 64-128-256-512-1024-1024."""
    shape = {"image_shape": (128, 128, 3), "width": 64}
    gen = shapes(resnet.Generator(**shape), jnp.zeros((2, 128)))["params"]
    disc = shapes(resnet.Discriminator(**shape), jnp.zeros((2, 128, 128, 3)))["params"]
    assert gen["Dense_0"]["kernel"].shape == (128, 4 * 4 * 1024)
    widths = [gen[f"BlockUp_{i}"]["Conv_0"]["kernel"].shape[-1] for i in range(5)]
    assert widths == [1024, 512, 256, 128, 64] and "BlockUp_5" not in gen
    assert [disc[f"Block_{i}"]["Conv_0"]["kernel"].shape[-2] for i in range(6)] == [
        3, 64, 128, 256, 512, 1024]  # fmt: skip
    assert disc["Dense_0"]["kernel"].shape == (1024, 1)


@pytest.mark.parametrize("halved", [4, 5, 6, 7])
def test_biggan_has_the_published_widths(halved):
    """Brock et al. 2019, tables 4 to 6 (128, 256, 512), and 64 of the authors' program."""
    gen, disc = {
        4: ((16, 16, 8, 4, 2), (1, 2, 4, 8, 16)),
        5: ((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16)),
        6: ((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16)),
        7: ((16, 16, 8, 8, 4, 2, 1, 1), (1, 1, 2, 4, 8, 8, 16, 16)),
    }[halved]
    assert biggan.gen_widths(halved) == gen
    assert biggan.disc_widths(halved) == disc


def test_every_layer_of_biggan_is_spectrally_normalized():
    """Each kernel and table has its vector; batch norm's projections of the condition too."""
    for name in ("biggan", "biggan_deep"):
        fields = {"image_shape": (16, 16, 1), "num_classes": 3, "width": 1, "attention": (8,)}
        networks = (NETWORKS[name].Generator(latent_dim=6, **fields), jnp.zeros((2, 6))), (
            NETWORKS[name].Discriminator(**fields), jnp.zeros((2, 16, 16, 1)))  # fmt: skip
        for network, inputs in networks:
            collections = shapes(network, inputs, jnp.zeros(2, jnp.int32))
            paths = lambda tree: {
                tuple(k.key for k in p) for p, _ in jax.tree.leaves_with_path(tree)
            }
            kernels = {p[:-1] for p in paths(collections["params"])
                       if p[-1] in ("kernel", "embedding") and p[0] != "classes"}  # fmt: skip
            assert kernels == {p[:-1] for p in paths(collections["spectral"])}


@pytest.mark.parametrize("family", [resnet, biggan, biggan_deep])
def test_kernels_may_begin_as_one_says(family, monkeypatch):
    tens = (nn.initializers.constant(10.0),) * 2
    monkeypatch.setitem(sys.modules, "own_inits", SimpleNamespace(TENS=tens))
    sizes = {"image_shape": (8, 8, 1), "width": 4, "kernel_init": "own_inits:TENS"}
    latents = jnp.zeros((1, 8))
    players = (
        (family.Generator(latent_dim=8, **sizes), (latents,)),
        (family.Discriminator(**sizes), (jnp.zeros((1, 8, 8, 1)),)),
    )
    for network, inputs in players:
        params, _ = init(network, jax.random.key(0), *inputs)
        kernels = [x for p, x in jax.tree.leaves_with_path(params) if p[-1].key == "kernel"]
        assert kernels and all((kernel == 10).all() for kernel in kernels)


def test_a_chunk_of_the_latents_for_each_block():
    """7 latents are 3 for the first layer and 2 for each block, and each of them matters."""
    plain = {"spectral_norm": False, "kernel_init": "normal"}
    gen = biggan.Generator((16, 16, 1), latent_dim=7, width=1, **plain)
    latents = jax.random.normal(jax.random.key(0), (1, 7))
    params, variables = init(gen, jax.random.key(1), latents)
    assert params["Dense_0"]["kernel"].shape == (3, 4 * 4 * 4)
    for block in ("BlockUp_0", "BlockUp_1"):
        assert params[block]["ProjectedBatchNorm_0"]["scale"]["kernel"].shape == (2, 4)
    image = lambda z: apply(gen, params, variables, z, train=False)[0]
    slopes = jax.jit(jax.jacobian(image))(latents).reshape(-1, 7)
    assert (jnp.abs(slopes).max(axis=0) > 0).all()
    whole = biggan.Generator((16, 16, 1), latent_dim=7, width=1, hierarchical=False)
    blocks = shapes(whole, latents)["params"]
    assert blocks["Dense_0"]["kernel"].shape[0] == 7 and "BatchNorm_0" in blocks["BlockUp_0"]
    with pytest.raises(ValueError, match="latent_dim=2 .* 3 chunks.*hierarchical=False"):
        shapes(biggan.Generator((16, 16, 1), latent_dim=2, width=1), latents[:, :2])


def test_biggan_shares_one_class_embedding():
    gen = biggan.Generator((16, 16, 1), num_classes=3, latent_dim=6, width=1, shared_dim=11)
    params = shapes(gen, jnp.zeros((2, 6)), jnp.zeros(2, jnp.int32))["params"]
    assert params["classes"]["embedding"].shape == (3, 11)
    for i in range(2):
        for norm in range(2):
            scale = params[f"BlockUp_{i}"][f"ProjectedBatchNorm_{norm}"]["scale"]
            assert scale["kernel"].shape == (11 + 2, 4)


R3GAN = {"widths": (8, 4), "blocks": (2, 1), "group_size": 4}


def test_r3gan_has_no_normalization_and_biases_at_activations_alone():
    gen = r3gan.Generator((16, 16, 3), num_classes=3, **R3GAN)
    disc = r3gan.Discriminator((16, 16, 3), num_classes=3, **R3GAN)
    labels = jnp.zeros(2, jnp.int32)
    for collections in (
        shapes(gen, jnp.zeros((2, 64)), labels),
        shapes(disc, jnp.zeros((2, 16, 16, 3)), labels),
    ):
        assert collections.keys() <= {"params", "intermediates"}, "no averages, no vectors"
        for path, _ in jax.tree.leaves_with_path(collections["params"]):
            *layers, leaf = (key.key for key in path)
            assert leaf in ("kernel", "bias", "embedding", "basis")
            assert leaf != "bias" or layers[-1].startswith("BiasedLeakyReLU")
        names = [key for key in collections["params"] if key.startswith("Block")]
        assert len(names) == 4  # 2 + 1 + 1
        first = collections["params"]["Block_0"]
        inner = first["Conv_0"]["kernel"].shape[-1]
        assert first["Conv_1"]["kernel"].shape == (3, 3, 4, inner), "groups of group_size"
        assert first["Conv_2"]["kernel"].shape == (1, 1, inner, inner // 2)


@pytest.mark.parametrize("total", [1, 16])
def test_a_fresh_block_of_r3gan_is_the_identity(total):
    """And what enters the last convolution has the variance that Fix-up gives it."""
    block = r3gan.Block(expansion=2, group_size=16, total=total)
    x = jax.random.normal(jax.random.key(0), (4, 8, 8, 64))
    y, variables = block.init_with_output(jax.random.key(1), x)
    np.testing.assert_array_equal(y, x)
    params = variables["params"]
    assert not params["Conv_2"]["kernel"].any()
    for name, fan_in in (("Conv_0", 64), ("Conv_1", 9 * 16)):
        expected = (2 / 1.04) ** 0.5 * total**-0.25 / fan_in**0.5
        np.testing.assert_allclose(params[name]["kernel"].std(), expected, rtol=0.03)
    params["Conv_2"]["kernel"] = jnp.ones_like(params["Conv_2"]["kernel"])
    assert (block.apply(variables, x) != x).any()


def test_bilinear_resampling_is_jax_image():
    up, down = r3gan.RESAMPLES["bilinear"]
    x = jax.random.normal(jax.random.key(0), (2, 4, 5, 3))
    expected = jax.image.resize(x, (2, 8, 10, 3), "bilinear")
    chex.assert_trees_all_close(up(x), expected, atol=1e-6)
    back = jax.image.resize(expected, x.shape, "bilinear", antialias=False)
    chex.assert_trees_all_close(down(expected), back, atol=1e-6)


def test_a_fresh_discriminator_of_r3gan_is_linear_by_hand():
    """All blocks are the identity: filters, 1x1 convolutions, a weight per position, the head."""
    disc = r3gan.Discriminator((16, 16, 3), num_classes=3, embed_dim=5, **R3GAN)
    images = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    labels = jnp.array([2, 0])
    params, _ = init(disc, jax.random.key(1), images, labels)
    logits, _, _ = apply(disc, params, {}, images, labels, train=False)
    # Row m of a halving has these at 2 m - 1 to 2 m + 2, but for what is beyond the edge.
    taps = [0.125, 0.375, 0.375, 0.125]
    halving = lambda n: np.stack(
        [np.pad(taps, (2 * m, n - 2 - 2 * m))[1:-1] for m in range(n // 2)]
    )
    quarter = halving(8) @ halving(16)
    pooled = jnp.einsum("iy,jx,byxc->bijc", quarter, quarter, images)
    narrow, wide = params["Conv_0"]["kernel"][0, 0], params["Conv_1"]["kernel"][0, 0]
    features = jnp.einsum("bhwc,hwc->bc", pooled @ narrow @ wide, params["basis"])
    table = params["Embed_0"]["embedding"]
    expected = jnp.sum(features @ params["Dense_0"]["kernel"] * table[labels], -1)
    chex.assert_trees_all_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_r3gan_has_the_published_size():
    """Huang et al. 2024: Stacked-MNIST 20.73 and 20.68 million parameters, same stages as CIFAR."""
    gen, disc = counts("r3gan", {}, {})
    assert (round(gen / 1e6, 2), round(disc / 1e6, 2)) == (20.73, 20.68)
    assert counts("r3gan", {}, {}, classes=10) == (20_781_952, 20_732_800)


def test_r3gan_says_which_groups_do_not_divide():
    with pytest.raises(ValueError, match="group_size=16 must divide the 8 channels"):
        shapes(r3gan.Generator((16, 16, 1), widths=(4,)), jnp.zeros((2, 64)))


def test_the_mean_of_the_last_maps_is_their_sum_over_their_places():
    """Of the bias-free part of the logit: WGAN-GP's critic averages where SNGAN's sums."""
    fields = {"image_shape": (32, 32, 1), "width": 2, "spectral_norm": False}
    total, mean = (
        NETWORKS["resnet"].Discriminator(**fields, pool=pool) for pool in ("sum", "mean")
    )
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 1))
    params = jax.jit(partial(total.init, train=True))(jax.random.key(1), images)
    first, second = (net.apply(params, images, train=True) for net in (total, mean))
    np.testing.assert_allclose(first, 64 * second, rtol=1e-4)
