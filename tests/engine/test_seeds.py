"""Many seeds in one program: each as if it were alone."""

import json
import os
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from jaxgan import evaluate, main, sample
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import initializer, read_first_batch, root_keys
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.report import read_metrics, summary_of
from jaxgan.engine.train import evaluate as evaluate_state
from jaxgan.errors import UsageError
from jaxgan.trained import load_generator

POINTS = [
    "--config", f"{ROOT}/configs/mlp_mnist.py:smoke", "--config.data.name=ring",
    "--config.data.num_points=2000", "--config.gen.hidden=(8,)", "--config.disc.hidden=(8,)",
    "--config.eval.features=", "--config.eval.metrics=('mode_counts',)", "--config.eval.every=10",
    "--config.terms.r1.weight=0.1", "--config.terms.r1.interval=5",
    "--config.train.steps_per_call=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Seeds 3 and 4 together, and seed 4 alone."""
    folder = tmp_path_factory.mktemp("runs")
    main.main([*POINTS, "--workdir", str(folder / "both"), "--config.seed=3", "--config.seeds=2"])
    main.main([*POINTS, "--workdir", str(folder / "alone"), "--config.seed=4"])
    return folder


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**31 + 5, 2**32 - 2])
def test_many_seeds_have_the_keys_of_each(seed):
    each = jnp.stack([root_keys(seed), root_keys(seed + 1)])
    assert (root_keys(seed, 2) == each).all()


def test_a_seed_among_others_is_as_it_is_alone(runs):
    together = load_generator(runs / "both", member=1).generator
    alone = load_generator(runs / "alone").generator
    chex.assert_trees_all_close(together, alone, rtol=1e-4, atol=1e-6)
    other = load_generator(runs / "both", member=0).generator
    kernel = lambda tree: jax.tree.leaves(tree)[-1]
    assert np.abs(kernel(other) - kernel(alone)).max() > 1e-3


def test_a_line_tells_the_mean_its_error_and_each_seed(runs):
    both = read_metrics(runs / "both" / "metrics.jsonl")
    alone = read_metrics(runs / "alone" / "metrics.jsonl")
    assert [line["step"] for line in both] == [line["step"] for line in alone]
    for ours, theirs in zip(both, alone, strict=True):
        for name in ("disc/loss", "gen/loss", "disc/fake_logit"):
            first, second = ours["seeds"][name]
            assert second == pytest.approx(theirs[name], rel=1e-3, abs=1e-5)
            assert ours[name] == pytest.approx((first + second) / 2)
            assert ours["standard_error"][name] == pytest.approx(abs(first - second) / 2)
        assert ours["images"] == theirs["images"]
    summary = json.loads((runs / "both" / "summary.json").read_text())
    assert len(summary["seeds"]["eval/modes"]) == 2
    assert summary["parameters"] == json.loads(
        (runs / "alone" / "summary.json").read_text()
    )["parameters"]  # fmt: skip


def test_a_seed_that_diverged_has_no_score_and_spoils_none(runs):
    """Images of nan would be scored as black ones, and points of nan are refused."""
    config = load_config(POINTS[1], [*POINTS[2:], "--config.seed=3", "--config.seeds=2"])
    run = build(config).run
    with Checkpoints(runs / "both" / "checkpoints", keep=1) as checkpoints:
        init = initializer(run.game, run.optimizers, run.seed, run.seeds)
        state = checkpoints.restore(20, init.eval_shape(read_first_batch(run)))
    whole = evaluate_state(run, state)
    broken = jax.tree.map(lambda leaf: leaf.at[0].set(jnp.nan), state.ema["params"])
    scores = evaluate_state(run, state.replace(ema={**state.ema, "params": broken}))
    assert scores.keys() == whole.keys()
    for name, (first, second) in scores.items():
        assert np.isnan(first) and second == whole[name][1], name


def test_points_are_drawn_for_each_seed_and_make_a_film(runs):
    with Image.open(runs / "alone" / "samples" / "000020.png") as one:
        with Image.open(runs / "both" / "samples" / "000020.png") as two:
            assert two.size == (2 * one.width, one.height)
    with Image.open(runs / "both" / "samples" / "training.gif") as film:
        assert film.n_frames == 3  # before training, and at steps 10 and 20


def test_one_of_them_is_sampled_and_scored(runs, tmp_path):
    for member in (0, 1):
        evaluate.main(["--workdir", str(runs / "both"), "--member", str(member)])
    texts = (runs / "both" / "evaluations.jsonl").read_text().splitlines()
    lines = [json.loads(text) for text in texts[-2:]]
    assert [line["fake"]["member"] for line in lines] == [0, 1]
    npz, flags = tmp_path / "p.npz", ["--workdir", str(runs / "both"), "--member", "1"]
    sample.main([*flags, "--npz", str(npz)])
    points = np.load(npz)["points"]
    assert points.shape == (64, 2) and points.dtype == np.float32
    with pytest.raises(UsageError, match="save them with --npz"):
        sample.main(flags)
    with pytest.raises(UsageError, match="--member must be in 0..1"):
        load_generator(runs / "both", member=2)


def test_many_seeds_go_on_bit_for_bit(runs, tmp_path):
    workdir = tmp_path / "a"
    flags = [*POINTS, "--workdir", str(workdir), "--config.seed=3", "--config.seeds=2"]
    main.main([*flags, "--config.train.steps=10"])
    main.main(flags)
    resumed, whole = (load_generator(path, member=1) for path in (workdir, runs / "both"))
    chex.assert_trees_all_equal(resumed.generator, whole.generator)


def test_cores_share_the_seeds(runs, tmp_path):
    """A program of its own, since JAX's devices are made once."""
    workdir = tmp_path / "a"
    flags = [*POINTS, "--workdir", str(workdir), "--config.seed=3", "--config.seeds=2"]
    subprocess.run([sys.executable, "-m", "jaxgan.main", *flags], cwd=ROOT, check=True)
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["device"] == f"{min(2, len(os.sched_getaffinity(0)))} x cpu (cpu)"
    shared, whole = (load_generator(path, member=1) for path in (workdir, runs / "both"))
    chex.assert_trees_all_close(shared.generator, whole.generator, rtol=1e-4, atol=1e-6)


def test_images_of_many_seeds_hang_in_rows(tmp_path):
    main.main(
        ["--config", f"{ROOT}/configs/mlp_mnist.py:smoke", "--workdir", str(tmp_path / "a"),
         "--config.seeds=3", "--config.train.steps=2", "--config.sample.every=2",
         "--config.gen.hidden=(8,)", "--config.disc.hidden=(8,)", "--config.eval.every=0"]
    )  # fmt: skip
    with Image.open(tmp_path / "a" / "samples" / "000002.png") as grid:
        assert grid.width * 3 == grid.height * 8


def test_a_broken_seed_is_left_out():
    means, errors, each = summary_of({"a": np.array([1.0, np.nan, 3.0]), "b": 2.0})
    assert means == {"a": 2.0, "b": 2.0}
    assert errors == {"a": 1.0} and each == {"a": [1.0, None, 3.0]}


def test_a_score_that_cannot_be_had_costs_the_training_nothing(tmp_path, capsys):
    """Eight samples of points are one batch of a metric that wants pairs of pictures."""
    given = [flag for flag in POINTS if "metrics" not in flag]
    metrics = "--config.eval.metrics=('ms_ssim',)"
    main.main([*given, metrics, "--config.eval.num=8", "--workdir", str(tmp_path / "a"),
               "--config.sample.every=0"])  # fmt: skip
    assert "warning: no scores of this step: " in capsys.readouterr().err
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["steps"] == 20 and "eval/ms_ssim" not in summary["last"]
    assert (tmp_path / "a" / "checkpoints" / "20").is_dir()
    assert not (tmp_path / "a" / "samples").exists()  # as sample.every=0 says


def test_of_several_seeds_a_batch_is_divided_as_one_seeds():
    config = load_config(POINTS[1], [*POINTS[2:], "--config.seeds=2"])
    with config.unlocked():
        config.train.microbatches = 3
    with pytest.raises(UsageError, match="multiple of 3 microbatches, such as 15 or 18; got 16"):
        build(config)
