"""Optimizers and learning rates by name, as Optax transforms.

`count` is the number of updates that this optimizer has made. A player with five turns in a step
makes five, so its `warmup_steps` and `total_steps` are counted in its own updates.
"""

import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax


def _constant(progress):
    return jnp.zeros_like(progress)


def _linear(progress):
    return progress


def _cosine(progress):
    """Loshchilov & Hutter 2017, eq. 5, one period."""
    return 0.5 * (1.0 - jnp.cos(jnp.pi * progress))


# How much of the fall from lr to final * lr is done, 0 to 1, against the progress of the run.
SCHEDULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
}


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
    fallen = _lookup("schedule", SCHEDULES, schedule)
    if warmup_steps < 0 or total_steps < 0:
        raise ValueError(f"steps must be at least 0; got {warmup_steps=}, {total_steps=}")
    if not 0.0 <= final <= 1.0:
        raise ValueError(f"final is a fraction of lr, between 0 and 1; got {final}")
    # A run cut short, for a test say, may end within the warm-up: then nothing is left to fall.
    fall_steps = max(1, total_steps - warmup_steps)

    def rate(count):
        risen = jnp.minimum(1.0, count / warmup_steps) if warmup_steps else 1.0
        progress = jnp.clip((count - warmup_steps) / fall_steps, 0.0, 1.0)
        return lr * risen * (1.0 - (1.0 - final) * fallen(progress))

    return rate


def rmsprop(
    learning_rate: optax.ScalarOrSchedule,
    *,
    decay: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
) -> optax.GradientTransformation:
    """RMSProp as torch.optim has it, since published WGAN settings assume that form.

    `eps` is added outside the square root, `decay` is 0.99, the second moment starts at 0, and the
    learning rate multiplies the momentum buffer rather than what enters it. `optax.rmsprop` differs
    in all but the third.
    """
    return optax.chain(
        optax.scale_by_rms(decay=decay, eps=eps, initial_scale=0.0, eps_in_sqrt=False),
        optax.trace(decay=momentum) if momentum else optax.identity(),
        optax.scale_by_learning_rate(learning_rate),
    )


def clip_weights_to(limit: float) -> optax.GradientTransformation:
    """Weight clipping as the last transform: every parameter p ends within [-limit, limit].

    Arjovsky et al. 2017, algorithm 1, line 7. The update u becomes clip(p + u) - p, so the bound
    holds after it is applied, to the rounding of p. Every parameter of the player is clipped,
    biases and normalization scales too.
    """

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("weight clipping needs the parameters: optimizer.update(g, s, params)")
        clipped = jax.tree.map(lambda u, p: jnp.clip(p + u, -limit, limit) - p, updates, params)
        return clipped, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def sgd(
    learning_rate: optax.ScalarOrSchedule, *, momentum: float = 0.0, nesterov: bool = False
) -> optax.GradientTransformation:
    """Stochastic gradient descent, with momentum where it is not 0."""
    return optax.sgd(learning_rate, momentum=momentum or None, nesterov=nesterov)


def optimistic_adam(
    learning_rate: optax.ScalarOrSchedule, *, b1: float = 0.0, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam that expects its next direction to be its last (Daskalakis et al. 2018, algorithm 1).

    With a_t the direction of Adam, the parameters move by -lr (2 a_t - a_{t-1}). At the first
    update, which has none before it, a_0 is taken to be a_1; the paper has 0 there.

    Momentum undoes it: on the bilinear game it converges with b1 = 0, and with b1 = 0.5 it goes in
    circles as plain Adam with b1 = 0 does. Hence the default.
    """
    return optax.chain(
        optax.scale_by_adam(b1=b1, b2=b2, eps=eps),
        optax.scale_by_optimistic_gradient(),
        optax.scale_by_learning_rate(learning_rate),
    )


def constant_at_zero(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """`rule`, with derivative 0 in gradients that are 0; its values are the same.

    What differentiates updates, as unrolling does, meets parameters that never had a gradient: of
    dead units and of pieces of maxout that never win. The derivative of the root of their second
    moment is infinite. Below 1e-15 squares leave the range of float32.
    """

    def update(updates, state, params=None):
        still = lambda g: jnp.where(jnp.abs(g) < 1e-15, jax.lax.stop_gradient(g), g)
        return rule.update(jax.tree.map(still, updates), state, params)

    return optax.GradientTransformation(rule.init, update)


# Adam and AdamW are Optax's own, and equal torch.optim's; only AdamW's default weight_decay differs
# (1e-4 here, 1e-2 there).
OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": optax.adam,
    "adamw": optax.adamw,
    "optimistic_adam": optimistic_adam,
    "rmsprop": rmsprop,
    "sgd": sgd,
}


def make_optimizer(
    name: str,
    schedule: optax.ScalarOrSchedule,
    *,
    clip_weights: float = 0.0,
    clip_grad_norm: float = 0.0,
    **kwargs,
) -> optax.GradientTransformation:
    """A player's optimizer: gradient clipping, the named rule, weight clipping.

    Args:
      name: a name in `OPTIMIZERS`, or a function like those.
      schedule: a learning rate, or a function from update count to one.
      clip_weights: c > 0 keeps every parameter in [-c, c] after the update; 0 is off.
      clip_grad_norm: c > 0 scales gradients down to a global norm of at most c; 0 is off.
      **kwargs: hyper-parameters under Optax's names: b1, b2, eps, weight_decay, momentum, decay.

    Raises:
      ValueError: unknown name or hyper-parameter, or a negative bound.
    """
    rule = name if callable(name) else _lookup("optimizer", OPTIMIZERS, name)
    if clip_weights < 0 or clip_grad_norm < 0:
        raise ValueError(f"bounds are at least 0; got {clip_weights=}, {clip_grad_norm=}")
    known = list(inspect.signature(rule).parameters)[1:]
    if unknown := [key for key in kwargs if key not in known]:
        raise ValueError(f"{name} has no {', '.join(unknown)}; choose from {', '.join(known)}")
    return optax.chain(
        optax.clip_by_global_norm(clip_grad_norm) if clip_grad_norm else optax.identity(),
        constant_at_zero(rule(schedule, **kwargs)),
        clip_weights_to(clip_weights) if clip_weights else optax.identity(),
    )


def _lookup(kind, table, name):
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}; choose from {', '.join(sorted(table))}")
    return table[name]
