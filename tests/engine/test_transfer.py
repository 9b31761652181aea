"""Runs that begin with the networks of another, wholly or in part, and what stays frozen."""

import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, assert_same_bits
from test_resume import without_times

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import first_batch
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.train import start, train
from jaxgan.engine.transfer import PARTS, check_patterns, frozen, matches
from jaxgan.errors import UsageError
from jaxgan.objectives.optimizers import make_optimizer

SMOKE = f"{ROOT}/configs/dcgan_fashion.py:smoke"
SMALL = [
    "--config.gen={'name': 'mlp', 'hidden': (5, 5), 'norm': 'batch', 'latent_dim': 3}",
    "--config.disc={'name': 'mlp', 'hidden': (5, 5)}",
    "--config.data.batch_size=8",
    "--config.train.ema=0.9",
    "--config.sample.every=0",
    "--config.log.every=1",
    "--config.eval.every=0",
    "--config.checkpoint.every=3",
]


def flat(tree):
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def from_run(workdir, *overrides):
    return [f"--config.init.workdir={workdir}", *overrides]


def run_of(overrides):
    return build(load_config(SMOKE, [*SMALL, *overrides])).run


def run_for(steps, workdir, overrides):
    workdir.mkdir(exist_ok=True)
    train(run_of([*overrides, f"--config.train.steps={steps}"]), workdir)


def state_at(step, workdir, overrides):
    """Of a run's checkpoint; at 0 the state before the first step."""
    run = run_of(overrides)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        real = first_batch(run)(run.feed.inputs(0), jax.random.key(run.seed))
        return start(run, checkpoints, step, real)


def first_state(overrides):
    return state_at(0, ROOT / "nowhere", overrides)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A run of two steps."""
    workdir = tmp_path_factory.mktemp("other")
    run_for(2, workdir, ["--config.seed=5"])
    return workdir


@pytest.fixture(scope="module")
def there(other):
    """Its last state."""
    return state_at(2, other, [])


@pytest.fixture(scope="module")
def fresh():
    return first_state([])


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("disc/Conv_0", True), ("disc/Conv_0/", True), ("disc/Conv_0/kernel", True),
        ("disc", True), ("*/kernel", True), ("disc/Conv_[0-2]", True), ("*", True),
        ("disc/Conv", False), ("disc/Conv_[1-2]", False), ("gen", False), ("Conv_0", False),
        ("disc/Conv_0/kernel/x", False), ("disc/*/bias", False),
    ],
)  # fmt: skip
def test_a_pattern_names_a_path_or_what_is_above_it(pattern, named):
    assert matches("disc/Conv_0/kernel", [pattern]) == named
    assert matches("disc/Conv_0/kernel", ["x", pattern]) == named
    assert not matches("disc/Conv_0/kernel", [])


def test_networks_and_average_are_taken_over_and_nothing_else(other, there, fresh):
    here = first_state(from_run(other))
    for part in PARTS:
        assert_same_bits(getattr(there, part), getattr(here, part))
    for part in ("step", "key", "opt_state", "extra"):
        assert_same_bits(getattr(fresh, part), getattr(here, part))


def test_what_is_skipped_begins_anew(other, there, fresh):
    """Parameters, statistics, the average; a head; biases."""
    skip = "--config.init.skip=('gen/BatchNorm_1', 'disc/Dense_?/bias', 'disc/Dense_2')"
    here = first_state(from_run(other, skip))
    anew = []
    for part in PARTS:
        trees = [flat(getattr(state, part)) for state in (there, fresh, here)]
        for path, leaf in trees[2].items():
            in_disc = path.startswith("['disc']")
            new = in_disc and ("['Dense_2']" in path or "['bias']" in path)
            new |= not in_disc and "['BatchNorm_1']" in path
            np.testing.assert_array_equal(leaf, trees[new][path], err_msg=path)
            anew += [path] * new
    assert len(anew) == 4 + 4 + 4, anew


def test_what_does_not_fit_is_named_in_one_line(other, there):
    wider = from_run(other, "--config.gen.latent_dim=7", "--config.data.labels=True")
    with pytest.raises(UsageError) as error:
        first_state(wider)
    message = str(error.value)
    assert "\n" not in message
    for part in ("of another shape: disc/Dense_0/kernel 784x5, here ",
                 "gen/Dense_0/kernel 3x5, here ", "missing there: ", "/embedding 10x",
                 "config.init.skip"):  # fmt: skip
        assert part in message
    assert "BatchNorm" not in message and "Dense_1" not in message
    state = first_state([*wider, "--config.init.skip=('*/Dense_0', '*/embedding')"])
    assert state.params["gen"]["Dense_0"]["kernel"].shape != (3, 5)
    assert_same_bits(state.params["disc"]["Dense_1"], there.params["disc"]["Dense_1"])


def test_what_the_new_networks_have_not_is_named_too(other):
    overrides = from_run(other, "--config.gen.norm=none", "--config.init.skip=('*/bias',)")
    with pytest.raises(UsageError, match="not wanted here: gen/BatchNorm_0/.*/scale 5"):
        first_state(overrides)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["--config.init.workdir=nowhere"], "nowhere has no checkpoint"),
        (["--config.init.checkpoint=7"], "no checkpoint '7'; there are 2"),
        (["--config.init.checkpoint=best"], "no best checkpoint"),
        (["--config.init.member=1"], "config.init.member must be in 0..0"),
        (["--config.init.freeze=('disc/Dense_9',)"],
         "config.init.freeze.*'disc/Dense_9'; did you mean 'disc/Dense_"),
        (["--config.init.skip=('generator',)"], "config.init.skip.*'generator'"),
        (["--config.init.skip=(3,)"], "config.init.skip must be a tuple of paths"),
        (["--config.init.workdr=x"], "did you mean config.init.workdir"),
    ],
)  # fmt: skip
def test_wrong_beginnings_get_one_line(other, overrides, part):
    with pytest.raises(UsageError, match=part) as error:
        first_state(from_run(other, *overrides))
    assert "\n" not in str(error.value)


def test_frozen_parameters_never_move_whatever_the_optimizer_does():
    """Weight decay and clipping would move them; their gradients would count in the norm."""
    params = {"a": {"w": jnp.ones(3)}, "b": {"w": jnp.full(2, 2.0)}}
    grads = {"a": {"w": jnp.full(3, 100.0)}, "b": {"w": jnp.array([0.3, 0.4])}}
    rule = make_optimizer("adamw", 0.1, weight_decay=0.1, clip_weights=1.9, clip_grad_norm=1.0)
    whole, alone = frozen(rule, "disc", ["disc/a"]), {"b": params["b"]}
    state, plain = whole.init(params), rule.init(alone)
    chex.assert_trees_all_equal_structs(state, rule.init(params))
    for _ in range(3):
        updates, state = whole.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        updates, plain = rule.update({"b": grads["b"]}, plain, alone)
        alone = optax.apply_updates(alone, updates)
    np.testing.assert_array_equal(params["a"]["w"], jnp.ones(3))
    chex.assert_trees_all_close(params["b"], alone["b"], rtol=1e-6)
    assert (params["b"]["w"] != 2).all()
    assert frozen(rule, "disc", []) is rule
    updates, _ = frozen(rule, "gen", ["disc/a"]).update(grads, rule.init(params), params)
    assert (updates["a"]["w"] != 0).all(), "patterns name the player"


def test_patterns_are_checked_against_parameters():
    params = {"disc": {"Conv_0": {"kernel": jnp.zeros(1)}}, "gen": {}}
    check_patterns(params, "freeze", ["disc/Conv_0", "disc/*/kernel"])
    with pytest.raises(UsageError, match="choose from disc/Conv_0"):
        check_patterns(params, "freeze", ["gen"])


def test_freeze_d_trains_the_rest_and_resumes_exactly(other, there, tmp_path):
    """The other run may be gone by then."""
    source = shutil.copytree(other, tmp_path / "source")
    overrides = from_run(
        source,
        "--config.init.freeze=('disc/Dense_[01]', 'gen/BatchNorm_*')",
        "--config.optim.disc.clip_grad_norm=1.0",
    )
    run_for(6, tmp_path / "whole", overrides)
    run_for(3, tmp_path / "halves", overrides)
    shutil.rmtree(source)
    run_for(6, tmp_path / "halves", overrides)
    whole, halves = (state_at(6, tmp_path / name, overrides) for name in ("whole", "halves"))
    assert_same_bits(whole, halves)
    assert without_times(tmp_path / "whole") == without_times(tmp_path / "halves")
    before = flat(there.params)
    for path, leaf in flat(whole.params).items():
        still = path.startswith(
            ("['disc']['Dense_0']", "['disc']['Dense_1']", "['gen']['BatchNorm_")
        )
        assert bool((leaf == before[path]).all()) == still, path
    with pytest.raises(UsageError, match="has no checkpoint yet"):
        run_for(6, tmp_path / "new", overrides)


def test_every_seed_begins_with_the_same_and_one_of_many_can_be_taken(other, there, tmp_path):
    many = from_run(other, "--config.seeds=2")
    fresh = first_state(many)
    for member in range(2):
        assert_same_bits(jax.tree.map(lambda leaf, i=member: leaf[i], fresh.params), there.params)
    run_for(1, tmp_path / "many", many)
    trained = state_at(1, tmp_path / "many", many)
    taken = first_state(from_run(tmp_path / "many", "--config.init.member=1"))
    assert_same_bits(taken.params, jax.tree.map(lambda leaf: leaf[1], trained.params))
