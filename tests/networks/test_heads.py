"""Heads of class-conditional discriminators, against what each is by hand."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import SMALL

from jaxgan.errors import UsageError
from jaxgan.networks import NETWORKS
from jaxgan.networks.apply import apply, init
from jaxgan.networks.heads import HEADS, judged

FEATURES = jax.random.normal(jax.random.key(0), (4, 5))
LABELS = jnp.array([2, 0, 2, 1])
CONDITIONED = [name for name in NETWORKS if "conditioning" in vars(NETWORKS[name].Discriminator)]


class Head(nn.Module):
    """A discriminator that is nothing but its head."""

    conditioning: str
    num_classes: int = 3
    embed_dim: int = 6
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, features, labels, *, train):
        kernel_init = nn.initializers.normal(1.0)
        return judged(
            self, features, labels, kernel_init=kernel_init, spectral_norm=self.spectral_norm
        )


def play(head, labels=LABELS, params=None):
    """Logits, parameters and what was sown."""
    fresh, variables = init(head, jax.random.key(1), FEATURES, labels)
    params = params or fresh
    logits, _, sown = apply(head, params, variables, FEATURES, labels, train=False)
    return np.asarray(logits), params, sown


def psi(params):
    return FEATURES @ params["Dense_0"]["kernel"][:, 0] + params["Dense_0"]["bias"]


def test_projection_is_psi_plus_the_inner_product():
    """Miyato & Koyama 2018, eq. 3: phi . v_y + psi(phi)."""
    logits, params, _ = play(Head("projection"))
    v = np.asarray(params["Embed_0"]["embedding"])
    assert v.shape == (3, 5)
    expected = [
        sum(FEATURES[i, k] * v[label, k] for k in range(5)) for i, label in enumerate(LABELS)
    ]
    np.testing.assert_allclose(logits, np.array(expected) + psi(params), rtol=1e-5)


def test_product_is_the_inner_product_of_mapped_features():
    logits, params, _ = play(Head("product"))
    w, v = params["Dense_0"]["kernel"], params["Embed_0"]["embedding"]
    assert "bias" not in params["Dense_0"] and v.shape == (3, 6)
    np.testing.assert_allclose(logits, np.sum((FEATURES @ w) * v[LABELS], -1), rtol=1e-5)


def test_acgan_ignores_labels_and_sows_class_logits():
    logits, params, sown = play(Head("acgan"))
    np.testing.assert_allclose(logits, psi(params), rtol=1e-5)
    others, _, _ = play(Head("acgan"), 2 - LABELS, params)
    np.testing.assert_array_equal(logits, others)
    classes = params["classes"]
    (found,) = sown["class_logits"]
    np.testing.assert_allclose(found, FEATURES @ classes["kernel"] + classes["bias"], rtol=1e-5)


def test_d2d_ce_sows_unit_embeddings_and_their_cosines():
    """Kang et al. 2021, sec. 3.1: embedding and proxies on the sphere."""
    logits, params, sown = play(Head("d2d_ce"))
    np.testing.assert_allclose(logits, psi(params), rtol=1e-5)
    (embedding,), (cosines,) = sown["embedding"], sown["class_cosines"]
    chex.assert_shape(embedding, (4, 6))
    chex.assert_shape(cosines, (4, 3))
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=-1), 1.0, rtol=1e-5)
    layer, proxies = params["to_embedding"], np.asarray(params["proxies"]["embedding"])
    raw = np.asarray(FEATURES @ layer["kernel"] + layer["bias"])
    for i in range(4):
        for k in range(3):
            cosine = raw[i] @ proxies[k] / np.linalg.norm(raw[i]) / np.linalg.norm(proxies[k])
            np.testing.assert_allclose(cosines[i, k], cosine, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_one_hot_labels_are_class_labels_and_shares_add_up(name):
    logits, params, _ = play(Head(name))
    one_hot, _, _ = play(Head(name), jax.nn.one_hot(LABELS, 3), params)
    np.testing.assert_allclose(one_hot, logits, rtol=1e-5)
    if name in ("projection", "product"):
        zero, _, _ = play(Head(name), jnp.zeros((4, 3)), params)
        mixed, _, _ = play(Head(name), jnp.tile(jnp.array([0.5, 2.0, 0.0]), (4, 1)), params)
        first, _, _ = play(Head(name), jnp.zeros(4, jnp.int32), params)
        second, _, _ = play(Head(name), jnp.ones(4, jnp.int32), params)
        expected = 0.5 * (first - zero) + 2.0 * (second - zero)
        np.testing.assert_allclose(mixed - zero, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_without_classes_every_head_is_psi(name):
    logits, params, sown = play(Head(name, num_classes=0), None)
    assert params.keys() == {"Dense_0"} and not sown
    np.testing.assert_allclose(logits, psi(params), rtol=1e-5)


def test_the_table_of_a_spectrally_normalized_head_has_norm_1():
    head = Head("projection", spectral_norm=True)
    params, variables = init(head, jax.random.key(1), FEATURES, LABELS)
    params = jax.tree.map(lambda p: 3 * p, params)
    for _ in range(60):
        logits, variables, _ = apply(head, params, variables, FEATURES, LABELS, train=True)
    exact = {
        layer: {
            name: leaf / np.linalg.norm(leaf, 2) if name != "bias" else leaf
            for name, leaf in leaves.items()
        }
        for layer, leaves in params.items()
    }
    free = apply(Head("projection"), exact, {}, FEATURES, LABELS, train=False)[0]
    np.testing.assert_allclose(logits, free, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONDITIONED)
@pytest.mark.parametrize("conditioning", HEADS)
def test_every_discriminator_takes_every_conditioning(name, conditioning):
    """It sows what terms ask for, beside its features."""
    disc = NETWORKS[name].Discriminator(
        image_shape=(8, 8, 1), num_classes=3, conditioning=conditioning, embed_dim=6, **SMALL[name]
    )
    images = jnp.zeros((4, 8, 8, 1))

    def look():
        params, variables = init(disc, jax.random.key(0), images, LABELS)
        return apply(disc, params, variables, images, LABELS, train=True, key=jax.random.key(1))

    logits, _, sown = jax.eval_shape(look)
    chex.assert_shape(logits, (4,))
    wanted = {"acgan": {"class_logits": (4, 3)},
              "d2d_ce": {"embedding": (4, 6), "class_cosines": (4, 3)}}  # fmt: skip
    features = sown.pop("features")[0]
    assert features.shape[0] == 4
    sown.pop("reconstructions", None)  # of those that decode, whatever the conditioning
    assert {k: v[0].shape for k, v in sown.items()} == wanted.get(conditioning, {})


def test_an_unknown_conditioning_is_named():
    with pytest.raises(UsageError, match="'projectoin'.*projection"):
        play(Head("projectoin"))
