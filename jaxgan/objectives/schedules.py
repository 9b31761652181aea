"""What changes over training: rates, betas, weights, as functions of a count, from one place.

A schedule goes from one value to another and stays there. `count` is a Python or traced integer.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxgan.choices import choose


def _constant(progress):
    return jnp.zeros_like(progress)


def _linear(progress):
    return progress


def _cosine(progress):
    """Loshchilov & Hutter 2017, eq. 5, one period."""
    return 0.5 * (1.0 - jnp.cos(jnp.pi * progress))


# How much of the way from the first value to the last is done, 0 to 1, against the progress.
SCHEDULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
}


def scheduled(start: float, end: float, *, schedule: str, steps: int) -> optax.Schedule:
    """From `start` at count 0 to `end` at count `steps`, and `end` ever after.

    schedule: a name in `SCHEDULES`; "constant" stays at `start`.

    Raises:
      ValueError: unknown schedule, or negative steps.
    """
    done = choose("schedule", SCHEDULES, schedule)
    if steps < 0:
        raise ValueError(f"steps must be at least 0; got {steps}")
    # Of a run that was cut short, for a test say, nothing may be left: then all is done at once.
    whole = max(1, steps)

    def value(count):
        return start + (end - start) * done(jnp.clip(count / whole, 0.0, 1.0))

    return value


def learning_rate(
    lr: float,
    *,
    schedule: str = "constant",
    warmup_steps: int = 0,
    total_steps: int,
    final: float = 0.0,
) -> optax.Schedule:
    """The learning rate as a function of the player's update count.

    Args:
      lr: the highest rate.
      schedule: a name in `SCHEDULES`.
      warmup_steps: updates over which the rate rises linearly from 0 (its value at the first
        update) to `lr`.
      total_steps: the update at which a falling rate has arrived; it stays there afterwards.
      final: where it arrives, as a fraction of `lr` in [0, 1]; a constant schedule ignores it.

    Raises:
      ValueError: unknown schedule, negative steps, or `final` outside [0, 1].
    """
    if warmup_steps < 0 or total_steps < 0:
        raise ValueError(f"steps must be at least 0; got {warmup_steps=}, {total_steps=}")
    if not 0.0 <= final <= 1.0:
        raise ValueError(f"final is a fraction of lr, between 0 and 1; got {final}")
    fall = scheduled(1.0, final, schedule=schedule, steps=max(0, total_steps - warmup_steps))

    def rate(count):
        risen = jnp.minimum(1.0, count / warmup_steps) if warmup_steps else 1.0
        return lr * risen * fall(count - warmup_steps)

    return rate
