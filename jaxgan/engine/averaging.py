"""The averaged generator: moving averages with a decay, or with a half-life in images."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.objectives.schedules import scheduled

# A decay of a step, or a function from the step to the decay of that step.
Ema = float | Callable[[jax.Array], jax.Array]


def moving_average(average: Any, value: Any, step: jax.Array, *, decay: Ema) -> Any:
    """The average after step `step`: `d * average + (1 - d) * value`.

    Of a number `d = min(decay, (1 + step) / (10 + step))`: the ramp keeps the untrained generator
    out of the first samples. A function says d itself. Decay 0 copies the value.
    """
    d = decay(step) if callable(decay) else jnp.minimum(decay, (1 + step) / (10 + step))
    mix = lambda a, v: d.astype(v.dtype) * a + (1 - d).astype(v.dtype) * v
    return jax.tree.map(mix, average, value)


def half_life(
    half_life: float,
    *,
    images: int,
    ramp: float = 0.0,
    schedule: str = "constant",
    steps: int = 0,
) -> Callable[[jax.Array], jax.Array]:
    """The decay `0.5^(images / h)` of a step of so many images, with half-life h in images.

    ramp: h is at most this share of the images before the step (Karras et al. 2020, 0.05), so that
      at first the average forgets as fast as the generator changes; 0 for no such bound.
    schedule: of h: "constant", or from 0 to `half_life` at step `steps` (Huang et al. 2024).

    Raises:
      ValueError: unknown schedule.
    """
    start = half_life if schedule == "constant" else 0.0
    wanted = scheduled(start, float(half_life), schedule=schedule, steps=steps)

    def decay(step):
        h = wanted(step)
        h = jnp.minimum(h, ramp * images * step) if ramp else h
        # With half-life 0 nothing is kept.
        return jnp.where(h > 0, 0.5 ** (images / jnp.maximum(h, 1e-8)), 0.0)

    return decay
