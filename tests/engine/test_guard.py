import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.engine import guard as module
from jaxgan.engine.guard import Diverged, Guard
from jaxgan.engine.step import TrainState

NAN = jnp.float32(jnp.nan)


def state(**parts):
    fields = {"params": {"gen": jnp.ones(3), "disc": jnp.ones(3)}, "variables": {}, "ema": {},
              "opt_state": {"disc": (jnp.zeros(2), jnp.int32(3))}, "extra": {}}  # fmt: skip
    return TrainState(step=jnp.int32(7), key=jax.random.key(0), **(fields | parts))


def note(guard, first, *, broken=(), per_call=1, calls=6):
    for index in range(calls):
        end = first + (index + 1) * per_call
        metrics = {"disc/loss": jnp.float32(1), "gen/loss": jnp.float32(1)}
        if broken and end >= broken[0]:
            metrics |= dict.fromkeys(broken[1:], NAN)
        guard.note(end - per_call, end, metrics)
    return jax.device_get(metrics)


def test_the_first_step_that_is_not_finite_is_named():
    guard = Guard()
    guard.check_metrics(note(guard, 0), 6)
    values = note(guard, 6, broken=(9, "disc/wgan_gp", "disc/loss")) | {"gen/loss": np.inf}
    with pytest.raises(Diverged, match="disc/loss, disc/wgan_gp not finite at step 9:") as error:
        guard.check_metrics(values, 12)
    assert (error.value.step, error.value.broken) == (9, ["disc/loss", "disc/wgan_gp"])


def test_of_calls_of_several_steps_the_call_is_named(monkeypatch):
    guard = Guard()
    values = note(guard, 0, broken=(12, "gen/loss"), per_call=5)
    with pytest.raises(Diverged, match="gen/loss not finite in steps 11 to 15:"):
        guard.check_metrics(values, 30)
    monkeypatch.setattr(module, "KEPT", 2)
    guard = Guard()
    values = note(guard, 0, broken=(1, "gen/loss"))
    with pytest.raises(Diverged, match="at step 5 or before"):
        guard.check_metrics(values, 6)


@pytest.mark.parametrize("part, name", [
    ({"params": {"gen": jnp.array([1.0, jnp.nan]), "disc": jnp.ones(3)}}, "gen params"),
    ({"opt_state": {"disc": (jnp.array([jnp.inf]), jnp.int32(3))}}, "disc opt_state"),
    ({"ema": {"params": {"w": jnp.array([-jnp.inf])}}}, "params ema"),
    ({"extra": {"p": NAN}}, "p extra"),
])  # fmt: skip
def test_a_state_that_is_not_finite_is_found_wherever_it_is(part, name):
    guard = Guard()
    guard.check_state(state(), 7)
    note(guard, 1)
    with pytest.raises(Diverged, match=f"{name} not finite after step 7, whose losses were"):
        guard.check_state(state(**part), 7)
    note(guard, 7, broken=(8, "disc/r1"))
    with pytest.raises(Diverged, match="disc/r1 not finite at step 8"):
        guard.check_state(state(**part), 13)


def test_of_many_seeds_one_may_break():
    guard = Guard()
    guard.check_metrics({"gen/loss": np.array([1.0, np.nan])}, 3)
    with pytest.raises(Diverged):
        guard.check_metrics({"gen/loss": np.array([np.inf, np.nan])}, 3)
    many = lambda *values: TrainState(
        step=jnp.full(2, 7), key=jax.random.split(jax.random.key(0)), variables={}, ema={},
        params={"gen": jnp.array(values[:2])}, opt_state={"gen": jnp.array(values[2:])}, extra={},
    )  # fmt: skip
    guard.check_state(many(1.0, jnp.nan, 1.0, 1.0), 7)
    guard.check_state(many(1.0, jnp.nan, 1.0, jnp.nan), 7)
    with pytest.raises(Diverged, match="gen opt_state, gen params not finite"):
        guard.check_state(many(1.0, jnp.nan, jnp.nan, 1.0), 7)
