"""Shapes, ranges and labels of every network; no multiple of 4 is left out."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.networks import NETWORKS, mlp
from jaxgan.networks.dcgan import sides


def networks(name, image_shape, num_classes=0):
    family, sizes = NETWORKS[name], SMALL.get(name, {})
    shape = {"image_shape": image_shape, "num_classes": num_classes}
    return family.Generator(latent_dim=6, **shape, **sizes), family.Discriminator(**shape, **sizes)


def play(gen, disc, labels, *, train, batch=3):
    """Runs both on made-up latents; returns images and logits."""
    key = jax.random.key(0)
    latents = jax.random.normal(key, (batch, gen.latent_dim))
    keys = {"params": key, "dropout": key}
    images, _ = gen.init_with_output(keys, latents, labels, train=train)
    logits, _ = disc.init_with_output(keys, images, labels, train=train)
    return images, logits


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=12)
@given(quarter=st.integers(1, 32), channels=st.integers(1, 5), classes=st.sampled_from([0, 7]))
def test_any_multiple_of_4_and_any_channels(name, quarter, channels, classes):
    shape = (4 * quarter, 4 * quarter, channels)
    gen, disc = networks(name, shape, classes)
    labels = jnp.zeros(3, jnp.int32) if classes else None
    images, logits = jax.eval_shape(lambda: play(gen, disc, labels, train=True))
    chex.assert_shape(images, (3, *shape))
    chex.assert_shape(logits, (3,))


@pytest.mark.parametrize("name", NETWORKS)
def test_images_are_in_range_and_labels_matter(name):
    gen, disc = networks(name, (8, 8, 2), num_classes=3)
    images, logits = play(gen, disc, jnp.array([0, 1, 2]), train=False)
    chex.assert_tree_all_finite((images, logits))
    assert jnp.abs(images).max() <= 1
    other_images, other_logits = play(gen, disc, jnp.array([1, 1, 2]), train=False)
    assert (images[0] != other_images[0]).any() and logits[0] != other_logits[0]
    chex.assert_trees_all_close(images[1:], other_images[1:], atol=1e-6)


def test_dcgan_has_the_published_widths():
    """100-256-128-64-3 and 3-64-128-256-1 at 32x32."""
    family = NETWORKS["dcgan"]
    gen = family.Generator(image_shape=(32, 32, 3))
    disc = family.Discriminator(image_shape=(32, 32, 3))
    gen_params = jax.eval_shape(
        lambda: gen.init(jax.random.key(0), jnp.zeros((2, 100)), train=False)
    )["params"]
    disc_params = jax.eval_shape(
        lambda: disc.init(jax.random.key(0), jnp.zeros((2, 32, 32, 3)), train=False)
    )["params"]
    assert gen_params["Dense_0"]["kernel"].shape == (100, 4 * 4 * 256)
    kernels = [gen_params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(4, 4, 256, 128), (4, 4, 128, 64), (4, 4, 64, 3)]
    kernels = [disc_params[f"Conv_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(4, 4, 3, 64), (4, 4, 64, 128), (4, 4, 128, 256)]
    assert disc_params["Dense_0"]["kernel"].shape == (4 * 4 * 256, 1)
    assert "bias" not in gen_params["ConvTranspose_0"]


@pytest.mark.parametrize("side", [30, 132, 0, 2])
def test_dcgan_says_which_sizes_it_makes(side):
    with pytest.raises(ValueError, match="multiple of 4, up to 128"):
        sides((side, side, 1))
    with pytest.raises(ValueError, match="16x20"):
        sides((16, 20, 1))


def made(network, inputs):
    """The shapes of what `network` makes of `inputs` of that shape, and of its variables."""
    return jax.eval_shape(
        lambda: network.init_with_output(jax.random.key(0), jnp.zeros(inputs), train=False)
    )


@pytest.mark.parametrize(
    ("side", "halvings", "expected"),
    [(28, 0, [28, 14, 7]), (32, 0, [32, 16, 8, 4]), (4, 0, [4, 2, 1]), (28, 4, [28, 14, 7, 4, 2]),
     (30, 1, [30, 15]), (5, 3, [5, 3, 2, 1])],
)  # fmt: skip
def test_dcgan_halves_the_side_as_often_as_it_is_told(side, halvings, expected):
    shape = (side, side, 1)
    assert sides(shape, halvings) == expected
    disc = NETWORKS["dcgan"].Discriminator(image_shape=shape, width=1, halvings=halvings)
    gen = NETWORKS["dcgan"].Generator(image_shape=shape, width=1, halvings=halvings)
    images, variables = made(gen, (2, 100))
    chex.assert_shape(images, (2, *shape))
    channels = 2 ** (len(expected) - 2)
    assert variables["params"]["Dense_0"]["kernel"].shape[1] == channels * expected[-1] ** 2
    params = made(disc, (2, *shape))[1]["params"]
    assert params["Dense_0"]["kernel"].shape == (channels * expected[-1] ** 2, 1)


def test_dcgan_kernels_have_the_side_that_is_asked():
    """PacGAN's program for stacks has kernels of 5x5."""
    family, shape = NETWORKS["dcgan"], (28, 28, 3)
    options = {"image_shape": shape, "width": 1, "halvings": 4, "kernel": 5}
    for network, inputs in [
        (family.Generator(**options), (2, 100)),
        (family.Discriminator(**options), (2, *shape)),
        (family.Encoder(**options, latent_dim=3), (2, *shape)),
    ]:
        _, variables = made(network, inputs)
        sides_of_kernels = [x.shape[:2] for x in jax.tree.leaves(variables) if x.ndim == 4]
        assert sides_of_kernels == [(5, 5)] * 4


def test_dcgan_ends_in_a_convolution_and_starts_with_a_norm_where_it_is_asked():
    """The networks of PacGAN's table 3: 64-32-16-8-3 against 3-2-4-8, a norm after each but one."""
    family, shape = NETWORKS["dcgan"], (28, 28, 3)
    options = {"image_shape": shape, "halvings": 3, "kernel": 3}
    gen = family.Generator(**options, latent_dim=256, width=8, last_conv=True)
    disc = family.Discriminator(**options, width=2, norm="batch", norm_first=True)
    images, gen_params = made(gen, (2, 256))
    _, disc_params = made(disc, (2, *shape))
    gen_params, disc_params = gen_params["params"], disc_params["params"]
    assert images.shape == (2, *shape)
    assert gen_params["Dense_0"]["kernel"].shape == (256, 4 * 4 * 64)
    kernels = [gen_params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(3, 3, 64, 32), (3, 3, 32, 16), (3, 3, 16, 8)]
    assert gen_params["Conv_0"]["kernel"].shape == (3, 3, 8, 3)
    norms = lambda params: sum(name.startswith("BatchNorm") for name in params)
    assert norms(gen_params) == 4
    assert norms(disc_params) == 3
    assert "bias" not in disc_params["Conv_0"]


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_norm_in_the_first_layer_hides_the_contrast(norm_first):
    disc = NETWORKS["dcgan"].Discriminator(
        image_shape=(8, 8, 1), width=2, norm="batch", norm_first=norm_first
    )
    images = jax.random.normal(jax.random.key(0), (6, 8, 8, 1))
    variables = disc.init(jax.random.key(1), images, train=True)
    variables = jax.tree.map(lambda leaf: 0.5 + 10 * leaf, variables)  # a bias everywhere
    logits = [
        disc.apply(variables, scale * images, train=True, mutable=["batch_stats", "intermediates"])
        for scale in (1.0, 0.5)
    ]
    full, half = (found for found, _ in logits)
    assert np.allclose(full, half, rtol=1e-3) == norm_first


def test_dcgan_leaks_as_much_as_it_is_told():
    """Where no activation is positive, the logit is in proportion to the leak."""
    shape = (4, 4, 1)
    options = {"image_shape": shape, "width": 1, "halvings": 1}
    params = {
        "Conv_0": {"kernel": -jnp.ones((4, 4, 1, 1)), "bias": jnp.zeros(1)},
        "Dense_0": {"kernel": jnp.ones((4, 1)), "bias": jnp.zeros(1)},
    }
    logits = [
        NETWORKS["dcgan"]
        .Discriminator(**options, leak=leak)
        .apply({"params": params}, jnp.ones((1, *shape)), train=False)
        for leak in (0.1, 0.3)
    ]
    chex.assert_trees_all_close(logits[1], 3 * logits[0], rtol=1e-6)
    assert logits[0] < 0


@pytest.mark.parametrize("halvings", [-1, 6])
def test_dcgan_refuses_to_halve_a_side_of_one(halvings):
    with pytest.raises(ValueError, match=f"28 cannot be halved {halvings} times"):
        sides((28, 28, 1), halvings)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_only_batch_norm_mixes_examples(norm):
    disc = NETWORKS["dcgan"].Discriminator(image_shape=(8, 8, 1), width=2, norm=norm)
    images = jax.random.normal(jax.random.key(0), (3, 8, 8, 1))
    keys = {"params": jax.random.key(1), "dropout": jax.random.key(2)}
    variables = disc.init(keys, images, train=True)

    def first_logit(others):
        batch = images.at[1:].set(others)
        return disc.apply(variables, batch, train=True, mutable=["batch_stats", "intermediates"])[
            0
        ][0]

    mixes = bool((jax.grad(first_logit)(images[1:]) != 0).any())
    assert mixes == disc.mixes_examples == (norm == "batch")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_a_fresh_mlp_generator_tells_latents_apart(activation):
    """With too narrow weights ReLU layers forget the latents, and training collapses."""
    gen = NETWORKS["mlp"].Generator(image_shape=(28, 28, 1), activation=activation)
    latents = jax.random.normal(jax.random.key(0), (64, 100))
    images, _ = gen.init_with_output(jax.random.key(1), latents, train=False)
    spread = jnp.std(images, axis=0).mean()
    assert spread > {"relu": 0.2, "leaky_relu": 0.02}[activation]


def test_maxout_is_the_greatest_of_its_pieces():
    """Goodfellow et al. 2013: h_i = max_j (x W_ij + b_ij)."""
    disc = mlp.Discriminator(image_shape=(3,), hidden=(4,), activation="maxout", pieces=5)
    points = jax.random.normal(jax.random.key(0), (6, 3))
    logits, variables = disc.init_with_output(jax.random.key(1), points, train=False)
    first, last = variables["params"]["Dense_0"], variables["params"]["Dense_1"]
    assert first["kernel"].shape == (3, 20) and last["kernel"].shape == (4, 1)
    kernel, bias = first["kernel"].reshape(3, 5, 4), first["bias"].reshape(5, 4)
    hidden = np.stack(
        [
            np.max([points @ kernel[:, j, i] + bias[j, i] for j in range(5)], axis=0)
            for i in range(4)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(logits, (hidden @ last["kernel"])[:, 0], rtol=1e-5)


def test_a_linear_output_has_no_range_and_batch_norm_takes_the_bias():
    gen = mlp.Generator(image_shape=(2,), hidden=(8, 8), norm="batch", output="linear")
    latents = jax.random.normal(jax.random.key(0), (16, 100))
    points, variables = gen.init_with_output(jax.random.key(1), latents, train=True)
    chex.assert_shape(points, (16, 2))
    params = variables["params"]
    assert "bias" not in params["Dense_0"] and "bias" in params["Dense_2"]
    params["Dense_2"]["bias"] += 7.0
    moved, _ = gen.apply(variables, latents, train=True, mutable="batch_stats")
    chex.assert_trees_all_close(moved, points + 7.0, atol=1e-5)


@pytest.mark.parametrize("player", ["Generator", "Discriminator"])
def test_every_kernel_has_the_initial_deviation_that_is_asked_for(player):
    module = vars(mlp)[player](image_shape=(40,), hidden=(60, 60), init_std=0.02)
    params = module.init(jax.random.key(0), jnp.zeros((2, 40)), train=False)["params"]
    for layer in params.values():
        deviation = float(layer["kernel"].std())
        assert deviation == pytest.approx(0.02, rel=0.4 if layer["kernel"].size < 100 else 0.1)
