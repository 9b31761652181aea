"""How often to alter: a probability p that is fixed, scheduled, or adapts to overfitting.

Karras et al. 2020, sec. 3.1: while the discriminator tells too many of the training images as real,
r_t = E[sign(D(real))] above `target`, p grows, and else it falls, so that it would go from 0 to 1
in `kimg` thousand images. r_t means something where a logit of 0 is undecided, which relativistic
losses do not see to: with them, schedule p.
"""

import jax
import jax.numpy as jnp

from jaxgan.choices import choose
from jaxgan.objectives.augment.base import Memory
from jaxgan.objectives.schedules import SCHEDULES, scheduled

ADAPTIVE = "adaptive"


def first_chance(
    *,
    p: float = 0.0,
    schedule: str = ADAPTIVE,
    final: float = 1.0,
    steps: int = 0,
    target: float = 0.6,
    kimg: float = 500.0,
    every: int = 4,
) -> Memory:
    """Before training: `p`, and `sign`, r_t over the `turns` since p last moved.

    Raises:
      ValueError: a probability outside [0, 1], a target outside (-1, 1), no images or turns, or
        an unknown schedule.
    """
    for name, value in (("p", p), ("final", final)):
        if not 0 <= value <= 1:
            raise ValueError(f"augment.*.{name} is a probability, in [0, 1]; got {value}")
    if not -1 < target < 1:
        raise ValueError(f"augment.*.target is a mean of signs, in (-1, 1); got {target}")
    if kimg <= 0 or every < 1:
        raise ValueError(f"augment.*.kimg and every must be positive; got {kimg=}, {every=}")
    choose("schedule", dict.fromkeys((ADAPTIVE, *SCHEDULES)), schedule)
    return {"p": jnp.float32(p), "sign": jnp.zeros(()), "turns": jnp.zeros((), jnp.int32)}


def chance(
    memory: Memory,
    step: jax.Array | int,
    *,
    p: float = 0.0,
    schedule: str = ADAPTIVE,
    final: float = 1.0,
    steps: int = 0,
) -> jax.Array:
    """p at this step. schedule: adaptive, or from `p` to `final` at step `steps` by SCHEDULES."""
    if schedule == ADAPTIVE:
        return memory["p"]
    value = scheduled(p, final, schedule=schedule, steps=steps)(step)
    return jnp.asarray(value, jnp.float32)


def next_chance(
    memory: Memory,
    real_logits: jax.Array,
    step: jax.Array | int,
    *,
    p: float = 0.0,
    schedule: str = ADAPTIVE,
    final: float = 1.0,
    steps: int = 0,
    target: float = 0.6,
    kimg: float = 500.0,
    every: int = 4,
) -> Memory:
    """After a turn of the discriminator, whose logits of reals are [B].

    Every so many turns an adaptive p moves by their images over `kimg` thousand, within [0, 1]; a
    pack of several images has one logit and counts as one.
    """
    now = jnp.mean(jnp.sign(real_logits.astype(jnp.float32)))
    turns = memory["turns"] + 1
    sign = memory["sign"] + (now - memory["sign"]) / turns
    sign = jnp.where(memory["turns"] == 0, now, sign)
    full = turns == every
    value = chance(memory, step, p=p, schedule=schedule, final=final, steps=steps)
    if schedule == ADAPTIVE:
        move = jnp.sign(sign - target) * len(real_logits) * every / (1000 * kimg)
        value = jnp.where(full, jnp.clip(value + move, 0.0, 1.0), value)
    memory = {"p": value, "sign": sign, "turns": jnp.where(full, 0, turns)}
    return jax.lax.stop_gradient(memory)
