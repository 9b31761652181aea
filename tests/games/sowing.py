"""Small networks that have all that terms can ask for, and what others have."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.objectives.terms import SOWN, TERMS


def unit(x, axis=-1):
    return x / jnp.linalg.norm(x, axis=axis, keepdims=True)


class Sowing(nn.Module):
    """One hidden layer, and of it features, class logits, an embedding, cosines, drawings."""

    image_shape: tuple[int, ...] = (8, 8, 1)
    num_classes: int = 3
    mixes_examples: bool = False

    @nn.compact
    def __call__(self, images, labels=None, *, train: bool):
        x = nn.tanh(nn.Dense(6)(images.reshape(len(images), -1)))
        embedding = unit(nn.Dense(4)(x))
        proxies = self.param("proxies", nn.initializers.normal(1.0), (4, self.num_classes))
        self.sow("intermediates", "features", x)
        self.sow("intermediates", "class_logits", nn.Dense(self.num_classes)(x))
        self.sow("intermediates", "embedding", embedding)
        self.sow("intermediates", "class_cosines", embedding @ unit(proxies, axis=0))
        drawn = nn.Dense(images[0].size)(x).reshape(images.shape)
        self.sow("intermediates", "reconstructions", ((drawn, images), (drawn, images)))
        return nn.Dense(1)(x)[:, 0]


class Styled(nn.Module):
    """Latents to styles of two layers, to images."""

    image_shape: tuple[int, ...] = (8, 8, 1)
    num_classes: int = 3
    latent_dim: int = 3
    prior: str = "normal"

    def setup(self):
        self.mapping, self.output = nn.Dense(4), nn.Dense(64)

    def __call__(self, latents, labels=None, *, train: bool):
        return self.synthesize(self.styles(latents, labels, train=train), train=train)

    def styles(self, latents, labels=None, *, train: bool, truncation=1.0):
        return jnp.repeat(nn.tanh(self.mapping(latents))[:, None], 2, axis=1)

    def synthesize(self, styles, *, train: bool):
        images = nn.tanh(self.output(styles.reshape(len(styles), -1)))
        return images.reshape(-1, *self.image_shape)


def sown_by(disc: nn.Module) -> set[str]:
    """The names, of those in SOWN, that a discriminator sows."""

    def run(key):
        images, labels = jnp.zeros((2, *disc.image_shape)), jnp.zeros(2, jnp.int32)
        _, variables = disc.init_with_output(
            {"params": key, "dropout": key},
            images,
            labels,
            train=True,
            mutable=["params", "batch_stats", "spectral", "intermediates"],
        )
        return variables

    return set(jax.eval_shape(run, jax.random.key(0)).get("intermediates", ())) & set(SOWN)


def terms_for(gen: nn.Module, disc: nn.Module) -> list[str]:
    """Names of the terms whose needs these networks meet, given labels if they take them."""
    missing = {
        f"{side}_{name}" for name in set(SOWN) - sown_by(disc) for side in ("real", "fake")
    } | ({"labels"} if not disc.num_classes else set())
    missing |= set() if hasattr(gen, "synthesize") else {"styled"}
    return [
        name
        for name, term in TERMS.items()
        if not missing & {need for player in term.players for need in term.needs(player)}
    ]
