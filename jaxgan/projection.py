"""Finding the styles of an image (Karras et al. 2020, appendix D; w+: Abdal et al. 2019).

Adam moves w from a start near the image so that the generator's picture comes to look like it.
While it is far, noise is added to w, which falls to nothing on three quarters of the way; the rate
rises at first and falls at the end. Rates and noise are in units of the deviation of w.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgan.keys import fold
from jaxgan.metrics.features.network import FeatureNetwork
from jaxgan.metrics.features.perceptual import layer_distances
from jaxgan.styles import Generator, Styles, mean_style

Distance = Callable[[jax.Array, jax.Array], jax.Array]  # images [B, H, W, C] of both -> [B]
SPACES = ("w", "w+")  # one style for all layers; one for each
STARTS = 512  # latents whose styles are looked at for the nearest, and for their deviation
BATCH = 16  # of their images drawn at a time
RAMP_UP, RAMP_DOWN, NOISE = 0.05, 0.25, 0.75  # parts of the way
NOISE_STRENGTH = 0.05


class Projection(NamedTuple):
    """styles [layers, w_dim], the image of them and of the start [H, W, C], distances [steps]."""

    styles: np.ndarray
    image: np.ndarray
    start: np.ndarray
    distances: np.ndarray


def pixel_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean squared difference, added up over scales: of pixels, and of means of 2x2, 4x4, ..."""
    gap = x - y
    total = jnp.mean(gap**2, axis=(1, 2, 3))
    while min(gap.shape[1:3]) >= 8 and not any(side % 2 for side in gap.shape[1:3]):
        batch, height, width, channels = gap.shape
        gap = gap.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
        total += jnp.mean(gap**2, axis=(1, 2, 3))
    return total


def style_distance(styles: np.ndarray, known: np.ndarray, mean: np.ndarray) -> float:
    """How far styles [layers, w_dim] are from known ones, where their mean [w_dim] is 1 away.

    Distances are means over layers, so that who finds the mean has found nothing: 1.
    """
    apart, length = (np.linalg.norm(x - known, axis=-1).mean() for x in (styles, mean))
    return float(apart / length)


def perceptual_distance(network: FeatureNetwork) -> Distance:
    """How far apart the layers of a network see images, and `pixel_distance`, which is exact."""

    def distance(x, y):
        bytes_of = lambda images: 127.5 * images.astype(jnp.float32) + 127.5
        return layer_distances(network, bytes_of(x), bytes_of(y)) + pixel_distance(x, y)

    return distance


def project(
    space: Styles,
    generator: Generator,
    target: jax.Array,
    distance: Distance,
    key: jax.Array,
    *,
    labels: jax.Array | None = None,
    kind: str = "w",
    steps: int = 500,
    rate: float = 0.1,
    tell: Callable[[int, float], None] = lambda step, value: None,
) -> Projection:
    """The styles with which the generator comes nearest to `target` [H, W, C] in [-1, 1].

    labels: [STARTS] of a conditional generator: of what classes the starts are.
    kind: of SPACES.
    tell: is given every step and its distance.
    """
    styles, deviation = starts_of(space, generator, key, labels)
    drawn = jax.jit(space.images)
    nearest = jax.jit(pixel_distance)
    gaps = []
    for begin in range(0, len(styles), BATCH):  # all at once would take a large image's memory
        images = drawn(generator, styles[begin : begin + BATCH], None)
        gaps.append(nearest(images, jnp.broadcast_to(target, images.shape)))
    w = styles[int(jnp.argmin(jnp.concatenate(gaps)))]
    start = drawn(generator, w[None], None)
    w = jnp.tile(w, (space.layers, 1)) if kind == "w+" else w[None]
    optimizer = optax.adam(lambda count: deviation * rate * ramp(count / steps))

    @jax.jit
    def step(w, state, number):
        strength = NOISE_STRENGTH * jnp.maximum(0.0, 1.0 - number / (NOISE * steps)) ** 2
        noise = jax.random.normal(jax.random.fold_in(key, number), w.shape)

        def loss(w):
            moved = w + deviation * space.width**0.5 * strength * noise
            images = space.images(generator, moved.reshape(1, -1), None)
            return distance(images, target[None])[0]

        value, slope = jax.value_and_grad(loss)(w)
        updates, state = optimizer.update(slope, state)
        return optax.apply_updates(w, updates), state, value

    state, distances = optimizer.init(w), []
    for number in range(steps):
        w, state, value = step(w, state, number)
        distances.append(float(value))
        tell(number + 1, distances[-1])
    found = space.in_layers(w.reshape(1, -1))
    picture = drawn(generator, found.reshape(1, -1), None)
    return Projection(
        np.asarray(found[0]), np.asarray(picture[0]), np.asarray(start[0]), np.array(distances)
    )


def starts_of(space: Styles, generator: Generator, key: jax.Array, labels: jax.Array | None):
    """The mean style and those of STARTS - 1 latents, [STARTS, w_dim], and their deviation.

    That is the root of the mean square of an entry, about the mean.
    """
    latents = space.game.latents(fold(key, "starts"), STARTS)
    styles = jax.jit(partial(space.points, truncation=None))(generator, latents, labels)
    deviation = jnp.sqrt(jnp.mean((styles - jnp.mean(styles, axis=0)) ** 2))
    return styles.at[0].set(mean_style(generator)), deviation


def ramp(done: jax.Array) -> jax.Array:
    """The share of the rate when so much of the way is done: up, and down by a cosine."""
    down = jnp.minimum(1.0, (1.0 - done) / RAMP_DOWN)
    return jnp.minimum(1.0, done / RAMP_UP + 1e-2) * (0.5 - 0.5 * jnp.cos(math.pi * down))


def signal_to_noise(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, of images in [-1, 1]."""
    error = float(np.mean((np.asarray(image, np.float64) - target) ** 2))
    return 10 * math.log10(4 / max(error, 1e-12))
