"""A generator and an encoder against a discriminator of pairs (ALI and BiGAN).

Dumoulin et al. 2017 and Donahue et al. 2017, eq. 3: the discriminator tells (x, E(x)) from
(G(z), z), and where it cannot, E and G are each other's inverse. A generator that leaves out a mode
leaves the encoder no latents for it.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.engine.step import Batch, TrainState
from jaxgan.games.adversarial import AdversarialGame, mean, pack
from jaxgan.games.terms import made
from jaxgan.keys import fold
from jaxgan.networks.apply import apply
from jaxgan.objectives.losses import LOSSES


class WithEncoder(nn.Module):
    """A generator and an encoder as one player: latents to images, or with images to both.

    To whoever does not give images it is the generator.
    """

    generator: nn.Module
    encoder: nn.Module

    image_shape = property(lambda self: self.generator.image_shape)
    num_classes = property(lambda self: self.generator.num_classes)
    latent_dim = property(lambda self: self.generator.latent_dim)
    prior = property(lambda self: self.generator.prior)

    def __call__(
        self,
        latents: jax.Array,
        labels: jax.Array | None = None,
        images: jax.Array | None = None,
        *,
        train: bool,
    ) -> jax.Array | tuple[jax.Array, jax.Array]:
        fakes = self.generator(latents, labels, train=train)
        if images is None:
            return fakes
        return fakes, self.encoder(images, labels, train=train)


def beside(images: jax.Array, codes: jax.Array) -> jax.Array:
    """Pairs as images with the latents as channels: [B, ..., C], [B, D] -> [B, ..., C + D]."""
    codes = codes.reshape(len(codes), *(1,) * (images.ndim - 2), -1)
    codes = jnp.broadcast_to(codes, (*images.shape[:-1], codes.shape[-1]))
    return jnp.concatenate([images, codes], axis=-1)


@dataclass(frozen=True, kw_only=True)
class BidirectionalGame(AdversarialGame):
    """`gen` is a `WithEncoder`; losses, terms, augmentations and packs are of pairs.

    The generating player minimises the discriminator's loss with real and fake exchanged, as in
    both papers, since its encoder makes a part of what is real: for non_saturating
    softplus(-f) + softplus(r), for hinge max(0, 1 - f) + max(0, 1 + r). With minimax it is the
    discriminator's loss that it maximises.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.gen_mean is not mean:
            raise ValueError(
                "top_k chooses among fakes, and an encoder learns from real pairs; "
                "set top_k.least=1.0"
            )

    def inputs(self, batch: Batch, key: jax.Array) -> dict[str, tuple[Any, ...]]:
        images, labels = batch["image"], batch.get("label")
        latents = self.latents(key, len(images))
        pairs = pack(beside(images, latents), self.packing)
        return {"gen": (latents, labels, images), "disc": (pairs, labels)}

    def make_fakes(self, gen_params, state: TrainState, batch: Batch, latents, key: jax.Array):
        """Both kinds of pairs, {"real", "fake"}, and the player's new variables."""
        images = batch["image"]
        (fakes, codes), variables, _ = apply(
            self.gen,
            gen_params,
            state.variables["gen"],
            latents,
            batch.get("label"),
            images,
            train=True,
            key=fold(key, "dropout"),
            dtype=self.dtype,
            remat=self.remat,
        )
        return {"real": beside(images, codes), "fake": beside(fakes, latents)}, variables

    def gen_values(self, real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
        if self.loss == LOSSES["minimax"]:
            return -self.loss.disc(real_logits, fake_logits)
        return self.loss.disc(fake_logits, real_logits)

    def sides(self, fakes: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
        return fakes["real"], fakes["fake"]

    def images_of(self, fakes: Any) -> jax.Array:
        return made(fakes).fakes["fake"][..., : self.gen.image_shape[-1]]

    def opinion(self, state: TrainState, images: jax.Array) -> jax.Array:
        """Of each image with its code."""
        params, variables = state.params["gen"], state.variables["gen"]
        latents = jnp.zeros((len(images), self.gen.latent_dim))
        (_, codes), _, _ = apply(
            self.gen, params, variables, latents, None, images, train=False, dtype=self.dtype
        )
        return super().opinion(state, beside(images, codes))
