"""What the discriminator sees: `fn(images [B, H, W, C], key, step, *, ...) -> images`.

An augmentation is applied to reals and fakes alike, each with a key of its own, and is
differentiable in the images, so that the generator learns through it. `step` is the training step,
a Python or traced integer. Shape and dtype are kept. Noise, which knows no picture axes, also takes
`[B, ...]` of any rank, such as the points of toy distributions; the others take pictures alone and
raise ValueError for anything else.

One that remembers something, such as how often it is to alter, is an `Augmentation`.
"""

from collections.abc import Callable

import jax

from jaxgan.objectives.augment.ada import ADA
from jaxgan.objectives.augment.base import Augmentation
from jaxgan.objectives.augment.diff_augment import diff_augment
from jaxgan.objectives.augment.noise import instance_noise

AUGMENTS: dict[str, Callable[..., jax.Array] | Augmentation] = {
    "instance_noise": instance_noise,
    "diff_augment": diff_augment,
    "ada": ADA,
}

__all__ = ["AUGMENTS", "Augmentation", "diff_augment", "instance_noise"]
