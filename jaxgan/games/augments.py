"""The augmentations of a game: what they do to images, and what they remember."""

from typing import Any

import jax

from jaxgan.engine.step import Metrics
from jaxgan.objectives.augment import Augmentation

Augments = tuple[tuple[str, Augmentation], ...]  # by name, in their order
_MEMORIES = "augments"  # the entry of the state's `extra` that holds them by name


def first_memories(augments: Augments) -> dict[str, Any]:
    """What is remembered before training, as a part of the state's `extra`."""
    memories = {name: augment.first() for name, augment in augments if augment.first}
    return {_MEMORIES: memories} if memories else {}


@jax.named_scope("augment")
def augmented(
    augments: Augments, images: jax.Array, key: jax.Array, step: jax.Array, extra: dict[str, Any]
) -> jax.Array:
    """Images [B, ...] as the discriminator sees them."""
    memories = extra.get(_MEMORIES, {})
    for index, (name, augment) in enumerate(augments):
        memory = (memories[name],) if name in memories else ()
        images = augment.apply(images, jax.random.fold_in(key, index), step, *memory)
    return images


def remembered(
    augments: Augments, real_logits: jax.Array, step: jax.Array, extra: dict[str, Any]
) -> tuple[Metrics, dict[str, Any]]:
    """The metrics, `<augmentation>_<entry>`, and `extra`, after a turn of the discriminator."""
    metrics, memories = {}, dict(extra.get(_MEMORIES, {}))
    for name, augment in augments:
        if augment.update:
            memories[name] = augment.update(memories[name], real_logits, step)
            metrics |= {f"{name}_{entry}": memories[name][entry] for entry in augment.logged}
    return metrics, extra | ({_MEMORIES: memories} if memories else {})
