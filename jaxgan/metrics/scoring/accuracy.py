"""Classification accuracy score (Ravuri & Vinyals 2019): do fakes teach what reals teach?"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgan.data.feed import to_float
from jaxgan.data.order import batch_indices
from jaxgan.errors import UsageError
from jaxgan.metrics.features.classifier import Classifier

BATCH = 128
EVALUATED = 1000  # images at a time


def classification_accuracy(
    train_images, train_labels, test_images, test_labels, *, steps: int = 1000, seed: int = 0
) -> float:
    """Accuracy in [0, 1] on real images of a classifier that has only seen generated ones.

    The classifier is `features.classifier.Classifier`, trained for `steps` batches of 128 by AdamW
    with a rate that rises to 5e-3 and falls to 0: a small network, so that the score compares with
    itself and not with the ResNet-50 of the paper. The same function of real training images is
    what the score is held against.

    Args:
      train_images, test_images: uint8 [N, H, W, C], [M, H, W, C], sides even.
      train_labels, test_labels: integers [N], [M].

    Raises:
      UsageError: shapes differ, or a side is odd.
    """
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UsageError(
            f"cas: images of {list(train_images.shape[1:])} and {list(test_images.shape[1:])}; "
            "expected one size for both"
        )
    if any(side % 2 for side in train_images.shape[1:3]):
        raise UsageError(
            f"cas: images of {list(train_images.shape[1:])}; its classifier needs even sides"
        )
    classes = 1 + int(max(np.max(train_labels), np.max(test_labels)))
    network = Classifier(classes)
    rate = optax.warmup_cosine_decay_schedule(0.0, 5e-3, max(1, steps // 7), steps)
    optimizer = optax.adamw(rate, weight_decay=0.05)
    images, labels = jnp.asarray(train_images), jnp.asarray(train_labels, jnp.int32)
    variables = jax.jit(partial(network.init, train=False))(
        jax.random.key(seed), to_float(images[:1])
    )
    size = min(BATCH, len(images))
    words = jax.random.key_data(jax.random.key(seed))

    @partial(jax.jit, donate_argnums=0)
    def update(variables, moments, step, images, labels):
        chosen = batch_indices(words, step, 1, size, len(images))[0]

        def loss(params):
            out, new = network.apply(
                {**variables, "params": params},
                to_float(images[chosen]),
                train=True,
                mutable="batch_stats",
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(out["logits"], labels[chosen])
            return losses.mean(), new

        gradients, new = jax.grad(loss, has_aux=True)(variables["params"])
        changes, moments = optimizer.update(gradients, moments, variables["params"])
        return {"params": optax.apply_updates(variables["params"], changes), **new}, moments

    @jax.jit
    def predict(variables, batch):
        return network.apply(variables, to_float(batch))["logits"].argmax(-1)

    moments = optimizer.init(variables["params"])
    for step in range(steps):
        variables, moments = update(variables, moments, jnp.int32(step), images, labels)
    guesses = [
        predict(variables, test_images[i : i + EVALUATED])
        for i in range(0, len(test_images), EVALUATED)
    ]
    return float(np.mean(np.concatenate(guesses) == np.asarray(test_labels)))
