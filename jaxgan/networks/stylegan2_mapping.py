"""StyleGAN2's mapping network: from latents and labels to the styles w (Karras et al. 2019)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgan.networks.equalized import Dense, activate, pixel_norm
from jaxgan.networks.layers import Embed

COLLECTION = "styles"
MEAN_DECAY = 0.995  # of a pass in training, of the mean of w


class Mapping(nn.Module):
    """Latents [B, D] and labels to w [B, features]; of labels alone where there are no latents.

    Latents, and an embedding of the label beside them, are brought to a mean square of 1, each by
    itself, and go through `layers` dense layers of a learning rate slower by `lr_multiplier`.
    keep_mean: the mean of w over training is kept in the collection "styles".
    """

    num_classes: int
    features: int
    layers: int
    lr_multiplier: float = 0.01
    keep_mean: bool = True

    @nn.compact
    def __call__(
        self,
        latents: jax.Array | None,
        labels: jax.Array | None,
        *,
        train: bool,
        truncation: jax.Array | float = 1.0,
    ) -> jax.Array:
        """truncation: w is as far from the mean as this share (Karras et al. 2019, appendix B)."""
        parts = [] if latents is None else [pixel_norm(latents)]
        if self.num_classes:
            embed = Embed(self.num_classes, self.features, name="classes")
            parts.append(pixel_norm(embed(labels)))
        w = jnp.concatenate(parts, axis=-1)
        for _ in range(self.layers):
            w = activate(Dense(self.features, lr_multiplier=self.lr_multiplier)(w))
        if not self.keep_mean:
            return w
        mean = self.variable(COLLECTION, "mean", jnp.zeros, (self.features,), jnp.float32)
        if train and self.is_mutable_collection(COLLECTION) and not self.is_initializing():
            now = jax.lax.stop_gradient(jnp.mean(w.astype(jnp.float32), axis=0))
            mean.value = MEAN_DECAY * mean.value + (1 - MEAN_DECAY) * now
        if isinstance(truncation, float) and truncation == 1.0:
            return w
        kept = mean.value.astype(w.dtype)
        return kept + truncation * (w - kept)
