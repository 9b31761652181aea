"""Trains the classifiers whose features the metrics use on MNIST and Fashion-MNIST.

    python experiments/classifiers/train.py --data_dir DIR --name mnist
    python experiments/classifiers/train.py --data_dir DIR --name fashion_mnist

DIR is TFDS's data_dir, where `python -m jaxgan.data.prepare` has put the set. Writes the weights of
the last step, averaged over the end of the training, to the package's folder of weights (--out)
and appends the measured accuracies to results.jsonl beside this file. The test set decides
nothing: it is measured, and no step or setting is picked by it.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import load_file, save_file

from jaxgan.data.feed import to_float
from jaxgan.data.sources import load_dataset
from jaxgan.metrics.features.classifier import WEIGHTS, Classifier, pack, unpack

RESULTS = Path(__file__).parent / "results.jsonl"
EPOCHS = {"mnist": 5, "fashion_mnist": 14}
MOVE = {"mnist": 2, "fashion_mnist": 1}  # pixels
FLIP = {"mnist": False, "fashion_mnist": True}  # a mirrored digit is none; a mirrored shirt is
NETWORK = Classifier()
PEAK, WARMUP, DECAY = 5e-3, 0.15, 0.05  # learning rate, part of the steps, weight decay
SMOOTHING = 0.1  # of the labels
AVERAGE = 0.995  # per step, of the weights that are kept


def augment(images: jax.Array, key: jax.Array, name: str) -> jax.Array:
    """Moves each image by a pixel or two, and may mirror it. images: [B, H, W, C]."""
    move, mirror = jax.random.split(key)
    by = MOVE[name]
    corners = jax.random.randint(move, (len(images), 2), 0, 2 * by + 1)
    padded = jnp.pad(images, ((0, 0), (by, by), (by, by), (0, 0)))
    crop = lambda image, at: jax.lax.dynamic_slice(image, (*at, 0), images.shape[1:])
    images = jax.vmap(crop)(padded, corners)
    if FLIP[name]:
        mirrored = jax.random.bernoulli(mirror, shape=(len(images), 1, 1, 1))
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images


@partial(jax.jit, static_argnames=("optimizer", "name"), donate_argnums=0)
def update(state, images, labels, indices, key, *, optimizer, name):
    params, statistics, moments, average = state

    def loss(params):
        batch = to_float(augment(images[indices], key, name))
        variables = {"params": params, "batch_stats": statistics}
        out, updated = NETWORK.apply(variables, batch, train=True, mutable="batch_stats")
        targets = optax.smooth_labels(jax.nn.one_hot(labels[indices], 10), SMOOTHING)
        losses = optax.softmax_cross_entropy(out["logits"], targets)
        return losses.mean(), updated["batch_stats"]

    (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(params)
    changes, moments = optimizer.update(gradients, moments, params)
    params = optax.apply_updates(params, changes)
    variables = {"params": params, "batch_stats": statistics}
    average = optax.incremental_update(variables, average, 1 - AVERAGE)
    return (params, statistics, moments, average), value


@jax.jit
def predict(variables, images):
    return NETWORK.apply(variables, to_float(images))["logits"].argmax(-1)


def accuracy(variables, dataset) -> float:
    batches = np.split(dataset.images, len(dataset.images) // 1000)
    guesses = np.concatenate([predict(variables, batch) for batch in batches])
    return float(np.mean(guesses == dataset.labels))


def fit(
    images: np.ndarray,
    labels: np.ndarray,
    name: str,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    report: Callable[[int, float], None],
):
    """The averaged variables after `epochs`; `report` gets each epoch's number and mean loss."""
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    per_epoch = len(images) // batch_size
    total = epochs * per_epoch
    rate = optax.warmup_cosine_decay_schedule(0.0, PEAK, int(WARMUP * total), total)
    decayed = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
    optimizer = optax.adamw(rate, weight_decay=DECAY, mask=decayed)
    key = jax.random.key(seed)
    variables = NETWORK.init(key, to_float(images[:1]))
    moments = optimizer.init(variables["params"])
    average = jax.tree.map(jnp.copy, variables)
    state = variables["params"], variables["batch_stats"], moments, average
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        losses = []
        for i in range(per_epoch):
            indices = order[i * batch_size :][:batch_size]
            step_key = jax.random.fold_in(key, epoch * per_epoch + i)
            state, value = update(
                state, images, labels, indices, step_key, optimizer=optimizer, name=name
            )
            losses.append(value)
        report(epoch, float(np.mean(losses)))
    return state[-1]


def run(name, data_dir, epochs, batch_size, seed, out: Path, report) -> None:
    """Trains, measures the weights as they come back from the file, appends to results.jsonl."""
    data = load_dataset(name, dir=data_dir, split="train")
    start = time.monotonic()
    variables = fit(
        data.images, data.labels, name, epochs=epochs, batch_size=batch_size, seed=seed,
        report=report,
    )  # fmt: skip
    seconds = time.monotonic() - start
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    save_file(pack(variables), path)
    test = load_dataset(name, dir=data_dir, split="test")
    line = {
        "name": name,
        "seed": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "seconds": round(seconds),
        "test_accuracy": accuracy(unpack(load_file(path)), test),
        "test_images": test.num_examples,
        "bytes": path.stat().st_size,
        "device": f"{jax.device_count()} {jax.devices()[0].device_kind}, {platform.machine()}",
        "jax": jax.__version__,
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", choices=sorted(EPOCHS), required=True)
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    flags = parser.parse_args()
    epochs = EPOCHS[flags.name]
    report = lambda epoch, loss: print(f"epoch {epoch + 1} of {epochs}: loss {loss:.4f}")
    run(epochs=epochs, report=report, **vars(flags))


if __name__ == "__main__":
    main()
