"""How a discriminator judges images of a class: the last layer, by name (`disc.conditioning`).

With features h = phi(x) [B, F] and labels y, int [B] or float [B, num_classes]:

    concat       psi(h): the label was appended to the image (Mirza & Osindero 2014)
    projection   psi(h) + h . v_y (Miyato & Koyama 2018, eq. 3)
    product      (W h) . v_y (Karras et al. 2020; R3GAN)
    acgan        psi(h), whatever the label; sows "class_logits" [B, K] (Odena et al. 2017)
    d2d_ce       psi(h), whatever the label; sows "embedding" [B, E], of unit length, and
                 "class_cosines" [B, K], its cosines with every class's proxy (Kang et al. 2021)

psi is linear, and v a table of a vector for each class. Without classes all are psi(h).
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.networks.layers import Dense, Embed


def judged(
    disc: nn.Module,
    features: jax.Array,
    labels: jax.Array | None,
    *,
    kernel_init: nn.initializers.Initializer,
    spectral_norm: bool = False,
    use_bias: bool = True,
) -> jax.Array:
    """Logits [B] of features [B, F], by layers of `disc`, which has the fields of a conditioning.

    They are `num_classes`, `conditioning` (a name of HEADS) and `embed_dim`, the E of product and
    d2d_ce.
    """
    options = {"spectral_norm": spectral_norm}
    dense = partial(Dense, kernel_init=kernel_init, use_bias=use_bias, **options)
    head = choose("conditioning (disc.conditioning)", HEADS, disc.conditioning)
    if not disc.num_classes:
        head = _plain
    embed = partial(Embed, disc.num_classes, embedding_init=kernel_init, **options)
    return head(disc, features, labels, dense, embed)


def takes_label_as_input(disc: nn.Module) -> int:
    """The number of classes whose labels are appended to the image; 0: of none."""
    return disc.num_classes if disc.conditioning == "concat" else 0


def _plain(disc, features, labels, dense, embed):
    return dense(1)(features)[:, 0]


def _projection(disc, features, labels, dense, embed):
    return dense(1)(features)[:, 0] + jnp.sum(features * embed(features.shape[-1])(labels), -1)


def _product(disc, features, labels, dense, embed):
    size = disc.embed_dim
    # v as R3GAN begins it: of a one-hot label, and so that the sum over E terms has variance 1.
    init = nn.initializers.normal((disc.num_classes * size) ** -0.5)
    mapped = dense(size, use_bias=False)(features)
    return jnp.sum(mapped * embed(size, embedding_init=init)(labels), -1)


def _acgan(disc, features, labels, dense, embed):
    disc.sow("intermediates", "class_logits", dense(disc.num_classes, name="classes")(features))
    return _plain(disc, features, labels, dense, embed)


def _d2d_ce(disc, features, labels, dense, embed):
    embedding = _unit(dense(disc.embed_dim, name="to_embedding")(features))
    proxies = _unit(embed(disc.embed_dim, name="proxies")(jnp.arange(disc.num_classes)))
    disc.sow("intermediates", "embedding", embedding)
    disc.sow("intermediates", "class_cosines", embedding @ proxies.T)
    return _plain(disc, features, labels, dense, embed)


def _unit(vectors: jax.Array) -> jax.Array:
    """Over their length, in float32 at least; a vector of 0 stays, with a finite derivative."""
    vectors = vectors.astype(jnp.promote_types(vectors.dtype, jnp.float32))
    return vectors * jax.lax.rsqrt(jnp.sum(vectors**2, axis=-1, keepdims=True) + 1e-12)


HEADS: dict[str, Callable] = {
    "concat": _plain,
    "projection": _projection,
    "product": _product,
    "acgan": _acgan,
    "d2d_ce": _d2d_ce,
}
