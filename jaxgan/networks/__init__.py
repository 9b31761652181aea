"""Generators and discriminators, one file per architecture.

Every `Generator` is a Linen module with the fields `image_shape` (H, W, C), `num_classes` (0: no
labels), `latent_dim` and `prior`, called as `(latents [B, D], labels [B] | None, *, train)` and
returning images [B, H, W, C] in [-1, 1]. Every `Discriminator` has `image_shape` (of a pack, where
images are packed) and `num_classes`, is called as `(images, labels, *, train)`, returns logits [B],
sows its last activations of each example alone as "features", and tells by `mixes_examples` whether
one example's logit depends on the others of its batch; `batch_multiple`, where it has that, divides
its batches. One that mixes examples is not trained with penalties on the gradient of each logit,
unless it says `penalized_as_sum = True`: for it the gradient of the sum of all logits is meant.
Those of `mlp` take images of any shape.
Labels are int [B], or float [B, num_classes]: parts.py. What else a discriminator may sow about
classes is in heads.py.

A generator with styles has `layers` and `w_dim`, and two halves as methods too: `styles`, of the
same arguments and a `truncation`, returns them as [B, layers, w_dim], and `synthesize`, of those
and `train`, images. Where its mean style and the scales of a layer lie is as in stylegan2.

An `Encoder`, which some families have, takes what a discriminator takes, and `latent_dim`, and
returns latents [B, latent_dim].
"""

from typing import NamedTuple

from jaxgan.networks import (
    biggan,
    biggan_deep,
    dcgan,
    dcgan_keras,
    light,
    mlp,
    r3gan,
    resnet,
    stylegan2,
    stylegan2_disc,
)


class Family(NamedTuple):
    Generator: type
    Discriminator: type
    Encoder: type | None = None


NETWORKS: dict[str, Family] = {
    "mlp": Family(mlp.Generator, mlp.Discriminator, mlp.Encoder),
    "dcgan": Family(dcgan.Generator, dcgan.Discriminator, dcgan.Encoder),
    "dcgan_keras": Family(dcgan_keras.Generator, dcgan_keras.Discriminator),
    "resnet": Family(resnet.Generator, resnet.Discriminator),
    "biggan": Family(biggan.Generator, biggan.Discriminator),
    "biggan_deep": Family(biggan_deep.Generator, biggan_deep.Discriminator),
    "light": Family(light.Generator, light.Discriminator),
    "r3gan": Family(r3gan.Generator, r3gan.Discriminator),
    "stylegan2": Family(stylegan2.Generator, stylegan2_disc.Discriminator),
}
