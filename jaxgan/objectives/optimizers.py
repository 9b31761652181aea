"""Optimizers by name, as Optax transforms.

A schedule counts the updates that its optimizer has made. A player with five turns in a step makes
five, so `total_steps` is counted in the player's own updates.
"""

import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxgan.choices import choose
from jaxgan.objectives.schedules import scheduled

Beta = float | optax.Schedule


def check_decays(**decays: float) -> None:
    """Raises ValueError where one is outside [0, 1)."""
    for name, value in decays.items():
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{name} must be in [0, 1); got {value}")


def check_not_negative(**values: float) -> None:
    """Raises ValueError where one is negative."""
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative; got {value}")


def beta(name: str, start: float, final: float, *, schedule: str, total_steps: int) -> Beta:
    """A beta of Adam: a number, or where it has a schedule a function of the update count.

    Raises:
      ValueError: unknown schedule, or a value outside [0, 1).
    """
    check_decays(**{name: start, f"{name}_final": final})
    change = scheduled(start, final, schedule=schedule, steps=total_steps)
    return start if schedule == "constant" else change


def scale_by_adam(b1: Beta, b2: Beta, **kwargs) -> optax.GradientTransformation:
    """Optax's, with betas that may change from update to update.

    The bias of the moments is corrected as torch.optim does when its betas are set anew, by the
    present beta to the power of the count.
    """
    if not callable(b1) and not callable(b2):
        return optax.scale_by_adam(b1, b2, **kwargs)

    def update(updates, state, params=None):
        now = [b(state.count) if callable(b) else b for b in (b1, b2)]
        return optax.scale_by_adam(*now, **kwargs).update(updates, state, params)

    return optax.GradientTransformation(optax.scale_by_adam().init, update)


def adam(
    learning_rate: optax.ScalarOrSchedule,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    nesterov: bool = False,
    b1_schedule: str = "constant",
    b1_final: float = 0.9,
    b2_schedule: str = "constant",
    b2_final: float = 0.999,
    total_steps: int = 0,
) -> optax.GradientTransformation:
    """Adam as Optax and torch.optim have it, and with betas that move to a final value.

    total_steps: the update at which a moving beta has arrived.
    """
    first = beta("b1", b1, b1_final, schedule=b1_schedule, total_steps=total_steps)
    second = beta("b2", b2, b2_final, schedule=b2_schedule, total_steps=total_steps)
    return optax.chain(
        scale_by_adam(first, second, eps=eps, eps_root=eps_root, nesterov=nesterov),
        optax.scale_by_learning_rate(learning_rate),
    )


def adamw(
    learning_rate: optax.ScalarOrSchedule,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 1e-4,
    nesterov: bool = False,
    b1_schedule: str = "constant",
    b1_final: float = 0.9,
    b2_schedule: str = "constant",
    b2_final: float = 0.999,
    total_steps: int = 0,
) -> optax.GradientTransformation:
    """`adam` with decoupled weight decay, whose default in torch.optim is 1e-2."""
    first = beta("b1", b1, b1_final, schedule=b1_schedule, total_steps=total_steps)
    second = beta("b2", b2, b2_final, schedule=b2_schedule, total_steps=total_steps)
    return optax.chain(
        scale_by_adam(first, second, eps=eps, eps_root=eps_root, nesterov=nesterov),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


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
    check_decays(decay=decay, momentum=momentum)
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
    check_decays(momentum=momentum)
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
    check_decays(b1=b1, b2=b2)
    return optax.chain(
        optax.scale_by_adam(b1=b1, b2=b2, eps=eps),
        optax.scale_by_optimistic_gradient(),
        optax.scale_by_learning_rate(learning_rate),
    )


def constant_at_zero(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """`rule`, with derivative 0 in gradients that are 0; its values are the same.

    What differentiates updates, as unrolling does, meets parameters that never had a gradient: of
    dead units and of pieces of maxout that never win. The derivative of the root of their second
    moment is infinite. Gradients below 1e-15 count as 0 too: farther down their squares leave the
    range of float32.
    """

    def update(updates, state, params=None):
        still = lambda g: jnp.where(jnp.abs(g) < 1e-15, jax.lax.stop_gradient(g), g)
        return rule.update(jax.tree.map(still, updates), state, params)

    return optax.GradientTransformation(rule.init, update)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": adam,
    "adamw": adamw,
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
      **kwargs: hyper-parameters under Optax's names: b1, b2, eps, weight_decay, momentum, decay;
        `total_steps` of those whose own schedules need it.

    Raises:
      ValueError: unknown name or hyper-parameter, or a negative bound.
    """
    rule = name if callable(name) else choose("optimizer", OPTIMIZERS, name)
    if clip_weights < 0 or clip_grad_norm < 0:
        raise ValueError(f"bounds are at least 0; got {clip_weights=}, {clip_grad_norm=}")
    check_not_negative(**{name: kwargs[name] for name in ("eps", "weight_decay") if name in kwargs})
    known = list(inspect.signature(rule).parameters)[1:]
    if unknown := [key for key in kwargs if key not in known]:
        raise ValueError(f"{name} has no {', '.join(unknown)}; choose from {', '.join(known)}")
    # Each by itself: clipping divides by a norm whose derivative is not finite at 0.
    clip = optax.clip_by_global_norm(clip_grad_norm) if clip_grad_norm else optax.identity()
    return optax.chain(
        constant_at_zero(clip),
        constant_at_zero(rule(schedule, **kwargs)),
        clip_weights_to(clip_weights) if clip_weights else optax.identity(),
    )
