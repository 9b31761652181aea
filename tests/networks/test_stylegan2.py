"""StyleGAN2's parts against their definitions, and its networks at initialisation."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import equalized, stylegan2
from jaxgan.networks.apply import apply, init
from jaxgan.networks.modulated import StyledConv, modulated_conv
from jaxgan.networks.stylegan2_disc import ARCHITECTURES, Discriminator
from jaxgan.networks.stylegan2_mapping import MEAN_DECAY, Mapping

KEY = jax.random.key(0)
SMALL = {"latent_dim": 6, "w_dim": 8, "mapping_layers": 2, "channel_base": 64, "channel_max": 8}


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def started(module, *args):
    """Parameters and variables of `module`."""
    return jax.jit(lambda *args: init(module, KEY, *args))(*args)


def run(module, params, variables, *args, **how):
    """`apply`, compiled: output, variables, what was sown."""
    key = how.pop("key", KEY)
    of = lambda params, variables, args, key: apply(
        module, params, variables, *args, key=key, **how
    )
    return jax.jit(of)(params, variables, args, key)


def sizes(module, *args):
    """Parameters of `module`, which is not run."""
    keys = {"params": KEY, "dropout": KEY}
    made = jax.eval_shape(lambda: module.init(keys, *args, train=True))
    return sum(leaf.size for leaf in jax.tree.leaves(made["params"]))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [True, False])
def test_modulation_is_a_kernel_for_each_example(demodulate, up):
    """Karras et al. 2020, eq. 1 and 3, one image at a time."""
    x, w, styles = normal(0, 3, 4, 6, 2), normal(1, 3, 3, 2, 5), normal(2, 3, 2)
    together = modulated_conv(x, w, styles, demodulate=demodulate, up=up)
    for image, style, found in zip(x, styles, together, strict=True):
        own = w * style[:, None]
        if demodulate:
            own = own / jnp.sqrt(jnp.sum(own**2, axis=(0, 1, 2)) + 1e-8)
        alone = modulated_conv(image[None], own, jnp.ones((1, 2)), demodulate=False, up=up)
        chex.assert_trees_all_close(found, alone[0], atol=1e-5)
        if not up:  # by hand at one place
            square = sum(
                image[1 + i, 2 + j] @ own[1 + i, 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)
            )
            chex.assert_trees_all_close(found[1, 2], square, atol=1e-5)


def test_demodulated_outputs_have_variance_1_whatever_the_style():
    """Of independent inputs of variance 1, within the picture."""
    x, w = normal(0, 16, 12, 12, 32), 5 * normal(1, 3, 3, 32, 16)
    styles = jnp.exp(2 * normal(2, 16, 32))
    y = modulated_conv(x, w, styles)[:, 1:-1, 1:-1]
    deviations = jnp.std(y, axis=(0, 1, 2))
    np.testing.assert_allclose(deviations, 1.0, atol=0.15)
    np.testing.assert_allclose(jnp.mean(deviations), 1.0, atol=0.03)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_equalized_layers_keep_the_variance(lr_multiplier):
    x = normal(0, 512, 64)
    layer = equalized.Dense(256, lr_multiplier=lr_multiplier)
    y, variables = layer.init_with_output(KEY, x)
    np.testing.assert_allclose(jnp.std(y), 1.0, atol=0.03)
    # To the optimizer all kernels are alike, but for the multiplier.
    deviation = jnp.std(variables["params"]["kernel"])
    np.testing.assert_allclose(deviation, 1 / lr_multiplier, rtol=0.02)
    images = normal(1, 8, 12, 12, 32)
    y, _ = equalized.Conv(32).init_with_output(KEY, images)
    np.testing.assert_allclose(jnp.std(y[:, 1:-1, 1:-1]), 1.0, atol=0.03)


def test_a_layers_learning_rate_is_multiplied():
    """A step of one size on the parameters moves kernel and bias by `lr_multiplier` of it."""
    x = normal(0, 1, 5)

    def moved_by(lr_multiplier):
        layer = equalized.Dense(3, lr_multiplier=lr_multiplier, bias=0.5)
        y, variables = layer.init_with_output(KEY, x)
        after = layer.apply(jax.tree.map(lambda p: p + 1.0, variables), x)
        return y, after - y

    (fast, whole), (slow, part) = moved_by(1.0), moved_by(0.01)
    chex.assert_trees_all_close(part, 0.01 * whole, rtol=1e-3)
    chex.assert_trees_all_close(slow, fast, atol=1e-5)


def test_w_has_variance_1_at_first_and_forgets_the_size_of_latents():
    mapping = Mapping(num_classes=3, features=64, layers=8)
    latents, labels = normal(0, 512, 64), jnp.arange(512) % 3
    w, variables = mapping.init_with_output(KEY, latents, labels, train=False)
    np.testing.assert_allclose(jnp.mean(w**2), 1.0, atol=0.25)
    again = mapping.apply(variables, 7 * latents, labels, train=False)
    chex.assert_trees_all_close(again, w, atol=1e-4)
    others = mapping.apply(variables, latents, (labels + 1) % 3, train=False)
    assert jnp.mean((others - w) ** 2) > 0.1


def test_the_mean_of_w_is_the_moving_average_in_closed_form():
    gen = stylegan2.Generator(image_shape=(8, 8, 1), **SMALL, style_mixing=0.0)
    batches = [normal(seed, 5, 6) for seed in range(3)]
    params, variables = started(gen, batches[0])
    mean, fresh = np.zeros(8), variables
    np.testing.assert_array_equal(variables["styles"]["mapping"]["mean"], mean)
    for latents in batches:
        styles = run(gen, params, fresh, latents, train=False, method="styles")[0]
        chex.assert_trees_all_close(styles, jnp.repeat(styles[:, :1], gen.layers, axis=1))
        mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * np.mean(styles[:, 0], axis=0)
        _, variables, _ = run(gen, params, variables, latents, train=True)
    kept = variables["styles"]["mapping"]["mean"]
    np.testing.assert_allclose(kept, mean, rtol=1e-4, atol=1e-7)

    def truncated(share):
        return gen.apply(
            {"params": params, **variables}, batches[0], train=False, truncation=share,
            method="styles",
        )[:, 0]  # fmt: skip

    np.testing.assert_allclose(truncated(0.0), np.tile(kept, (5, 1)), atol=1e-6)
    half = 0.5 * (kept + truncated(1.0))
    np.testing.assert_allclose(truncated(0.5), half, atol=1e-6)


def test_the_halves_are_the_whole_and_noise_is_of_the_key():
    """In training and out of it; without a key it is always the same, for every image."""
    gen = stylegan2.Generator(image_shape=(8, 8, 1), **SMALL, style_mixing=0.0)
    latents = normal(1, 3, 6)
    params, variables = started(gen, latents)
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: p + 1.0 if path[-1].key == "noise_strength" else p, params
    )
    play = lambda *args, key=None, **how: run(gen, params, variables, *args, key=key, **how)[0]
    whole = play(latents, train=False)
    styles = play(latents, train=False, method="styles")
    chex.assert_trees_all_close(play(styles, train=False, method="synthesize"), whole, atol=1e-5)
    same = jnp.tile(latents[:1], (2, 1))
    alike = play(same, train=False)
    chex.assert_trees_all_close(alike[0], alike[1], atol=1e-6)
    for train in (True, False):
        noisy = [play(same, train=train, key=jax.random.key(seed)) for seed in (1, 1, 2)]
        chex.assert_trees_all_equal(noisy[0], noisy[1])
        for others in (noisy[0][::-1], noisy[2], alike):
            assert (noisy[0] != others).any()


def test_styles_are_mixed_as_often_as_asked_for():
    """An image has the styles of its own latents up to a layer, and of others from there on."""
    gen = stylegan2.Generator(image_shape=(8, 8, 1), **SMALL, style_mixing=0.5)
    latents = normal(2, 400, 6)
    params, variables = started(gen, latents[:2])
    own = run(gen, params, variables, latents, train=False, method="styles")[0]

    class Seen(stylegan2.Generator):
        def synthesize(self, styles, *, train):
            return styles

    seen = Seen(image_shape=(8, 8, 1), **SMALL, style_mixing=0.5)
    styles = run(seen, params, variables, latents, train=True)[0]
    same = np.asarray(jnp.all(jnp.isclose(styles, own, atol=1e-5), axis=-1))
    assert gen.layers == 6 and same.shape == (400, 6)
    assert same[:, 0].all()
    kept = same.sum(axis=1)
    assert (np.diff(same.astype(int), axis=1) <= 0).all()  # once it is another's, it stays so
    assert 0.4 < (kept < 6).mean() < 0.6
    counts = np.bincount(kept, minlength=7)[1:6]
    assert (counts > 0.5 * counts.mean()).all()
    with pytest.raises(ValueError, match="style_mixing must be in"):
        init(stylegan2.Generator(image_shape=(8, 8, 1), style_mixing=1.5), KEY, latents[:1])
    with pytest.raises(ValueError, match="mapping_lr must be positive; got 0"):
        init(stylegan2.Generator(image_shape=(8, 8, 1), mapping_lr=0.0), KEY, latents[:1])


def test_activations_keep_their_size_at_initialisation():
    """In every layer of both networks, less what the zeros at the border and the filters take."""
    gen = stylegan2.Generator(image_shape=(16, 16, 3), channel_base=512, channel_max=32,
                              latent_dim=32, w_dim=32, output="linear")  # fmt: skip
    disc = Discriminator(image_shape=(16, 16, 3), channel_base=512, channel_max=32)
    keys = {"params": KEY, "dropout": KEY}
    layers = (StyledConv, equalized.Conv)
    only = lambda module, method: isinstance(module, layers) and method == "__call__"
    look = lambda module, x: jax.jit(
        lambda x: module.init_with_output(
            keys, x, train=False, capture_intermediates=only, mutable=True
        )[1]["intermediates"]
    )(x)
    seen = look(gen, normal(0, 64, 32))
    powers = [float(jnp.mean(x**2)) for x in jax.tree.leaves(seen)]
    assert len(powers) == 5 and all(0.3 < power < 1.2 for power in powers), powers
    seen = look(disc, normal(1, 64, 16, 16, 3))
    seen.pop("features")
    powers = [float(jnp.mean(x**2)) for x in jax.tree.leaves(seen)]
    assert len(powers) == 8 and all(0.1 < power < 2.0 for power in powers), powers


def test_sizes_are_the_published_ones():
    """Those that the authors' program prints for 1024x1024 (configuration F)."""
    shape = (1024, 1024, 3)
    gen = stylegan2.Generator(image_shape=shape, channel_base=32768)
    assert gen.layers == 18
    assert sizes(gen, jnp.zeros((4, 512))) == 30_370_060
    disc = Discriminator(image_shape=shape, channel_base=32768)
    assert sizes(disc, jnp.zeros((4, *shape))) == 29_012_513


@pytest.mark.parametrize("power", range(4, 11))
@pytest.mark.parametrize("channels", [1, 4])
def test_every_power_of_two_from_16_to_1024(power, channels):
    side = 2**power
    assert stylegan2.sides_of((side, side, channels))[0] == (4, 4)
    gen = stylegan2.Generator(image_shape=(side, side, channels), num_classes=2)
    assert gen.layers == 2 * power - 2
    labels, keys = jnp.zeros(2, jnp.int32), {"params": KEY, "dropout": KEY}

    def play(architecture):
        images, _ = gen.init_with_output(keys, jnp.zeros((2, 512)), labels, train=True)
        disc = Discriminator(image_shape=images.shape[1:], num_classes=2, architecture=architecture)
        return images, disc.init_with_output(keys, images, labels, train=True)[0]

    for architecture in ARCHITECTURES:
        images, logits = jax.eval_shape(lambda: play(architecture))  # noqa: B023
        chex.assert_shape(images, (2, side, side, channels))
        chex.assert_shape(logits, (2,))


def test_architectures_of_the_discriminator():
    images = normal(0, 4, 8, 8, 1)

    def play(**fields):
        disc = Discriminator(image_shape=(8, 8, 1), channel_base=64, channel_max=8, **fields)
        params, variables = started(disc, images, jnp.zeros(4, jnp.int32))
        return disc, params, variables

    has = {kind: set(play(architecture=kind)[1]) for kind in ARCHITECTURES}
    assert {"from_image_1", "from_image_2"} <= has["skip"]
    assert "from_image_1" not in has["resnet"] | has["orig"]
    assert "shortcut" in play()[1]["Block_0"] and has["orig"] == has["resnet"]
    assert "shortcut" not in play(architecture="orig")[1]["Block_0"]
    with pytest.raises(ValueError, match="did you mean 'resnet'"):
        play(architecture="resnt")

    # The conditional logit is a projection on the mapped label, and linear in it.
    disc, params, variables = play(num_classes=3, embed_dim=5, mapping_layers=2)
    look = lambda label: run(disc, params, variables, images, jnp.full(4, label), train=False)
    (one, _, sown), (two, _, _) = look(0), look(1)
    assert (one != two).all()
    chex.assert_shape(sown["features"][0], (4, 2 * 2 * 8))
    assert sizes(disc, images, jnp.zeros(4, jnp.int32)) == sum(
        p.size for p in jax.tree.leaves(params)
    )
    assert disc.mixes_examples and disc.penalized_as_sum


def test_other_examples_of_a_group_change_a_logit():
    disc = Discriminator(image_shape=(8, 8, 1), channel_base=64, channel_max=8, group_size=2)
    images = normal(0, 4, 8, 8, 1)
    params, variables = started(disc, images)

    def first(others):
        changed = images.at[1:].set(others)
        return apply(disc, params, variables, changed, train=False)[0][0]

    slopes = jnp.abs(jax.jit(jax.grad(first))(images[1:])).sum(axis=(1, 2, 3))
    np.testing.assert_array_equal(slopes != 0, [False, True, False])  # image i is in group i mod 2
