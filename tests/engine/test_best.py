import jax
import jax.numpy as jnp
import pytest

from jaxgan.engine.best import Best
from jaxgan.engine.checkpoint import Checkpoints, find_checkpoint
from jaxgan.engine.step import TrainState
from jaxgan.errors import UsageError


def state(value):
    return TrainState(
        step=jnp.int32(value), key=jax.random.key(0), params={"gen": jnp.float32(value)},
        variables={}, opt_state={}, ema={}, extra={},
    )  # fmt: skip


def play(folder, scores, *, lower=True, lines=()):
    with Best(folder, "eval/fd", lower=lower, lines=lines) as best:
        for step, score in scores.items():
            best.see(step, {"eval/fd": score}, state(step))
    return best


def kept(folder):
    return [int(path.name) for path in folder.iterdir()]


@pytest.mark.parametrize("lower, wanted", [(True, 20), (False, 30)])
def test_the_best_is_kept(tmp_path, lower, wanted):
    scores = {10: 3.0, 20: 1.0, 30: 5.0, 40: 2.0}
    best = play(tmp_path, scores, lower=lower)
    assert best.summary() == {"step": wanted, "eval/fd": scores[wanted]}
    assert kept(tmp_path) == [wanted]


def test_a_resumed_run_knows_what_was_best(tmp_path):
    play(tmp_path, {10: 3.0, 20: 1.0})
    lines = [{"step": 10, "eval/fd": 3.0}, {"step": 15}, {"step": 20, "eval/fd": 1.0}]
    best = play(tmp_path, {30: 2.0}, lines=lines)
    assert best.summary() == {"step": 20, "eval/fd": 1.0} and kept(tmp_path) == [20]


def test_a_checkpoint_beyond_the_one_that_training_goes_on_from_is_made_again(tmp_path):
    play(tmp_path, {10: 3.0, 20: 1.0})
    best = play(tmp_path, {20: 1.0}, lines=[{"step": 10, "eval/fd": 3.0}])
    assert best.summary() == {"step": 20, "eval/fd": 1.0} and kept(tmp_path) == [20]


def test_where_a_seed_has_diverged_nothing_is_better_than_where_it_had_not(tmp_path):
    scores = {10: jnp.array([3.0, 2.0]), 20: jnp.array([jnp.nan, 1.0]), 30: jnp.full(2, jnp.nan)}
    assert play(tmp_path, scores).summary() == {"step": 10, "eval/fd": 2.5}


def test_of_no_scores_there_is_no_best(tmp_path):
    assert play(tmp_path, {}).summary() == {}


def test_a_best_checkpoint_is_found_where_there_is_no_other(tmp_path):
    play(tmp_path / "best", {10: 3.0})
    with Checkpoints(tmp_path / "checkpoints") as regular, Checkpoints(tmp_path / "best") as best:
        for name in ("best", "10"):
            holder, step = find_checkpoint(tmp_path, name, regular, best)
            assert holder is best and step == 10
        with pytest.raises(UsageError, match="no last checkpoint before checkpoint.every"):
            find_checkpoint(tmp_path, "last", regular, best)
        with pytest.raises(UsageError, match="there are 10, last and best"):
            find_checkpoint(tmp_path, "11", regular, best)
