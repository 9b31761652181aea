import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest
from conftest import ROOT

from jaxgan import plan
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.data.sources import load_dataset
from jaxgan.errors import UsageError

SMOKE = f"{ROOT}/configs/mlp_mnist.py:smoke"
TOY = [
    "--config.data.name=ring", "--config.data.num_points=1000", "--config.disc.dropout=0.0",
    "--config.eval.every=0",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Toy programs compile quickly."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def experiment():
    return build(load_config(SMOKE, TOY))


def test_a_plan_says_what_was_compiled_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan.main(["--config", SMOKE, "--seconds", "0.05", *TOY])
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"devices", "parameters", "memory", "speed", "time"} <= lines.keys()
    run = build(load_config(SMOKE, TOY)).run
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(params))
             for params in plan.abstract_state(run).params.values()]  # fmt: skip
    assert all(f"{size:,}" in lines["parameters"] for size in sizes)
    assert "20 steps, 320 images" in lines["the"]
    assert not list(tmp_path.iterdir())


def test_images_of_a_plan_are_those_of_a_seed(capsys):
    plan.main(["--config", SMOKE, "--seconds", "0", "--config.seeds=3", *TOY])
    said = capsys.readouterr().out
    assert "20 steps, 320 images of each of 3 seeds" in said
    assert f"each with {3 * 16 // jax.device_count()} images a step" in said


def test_lazy_terms_cost_as_often_as_they_are_due(experiment):
    lazy = build(load_config(SMOKE, [*TOY, "--config.terms.r1.interval=4"])).run
    always = build(load_config(SMOKE, [*TOY, "--config.terms.r1.interval=1"])).run
    never, some, every = (
        plan.measure(run, plan.abstract_state(run)) for run in (experiment.run, lazy, always)
    )
    assert every.flops > 1.1 * never.flops
    assert some.flops == pytest.approx((every.flops + 3 * never.flops) / 4, rel=0.02)
    assert some.memory == every.memory


@pytest.mark.parametrize("loops", [["train.microbatches=4"], ["seeds=3"]])
def test_work_in_loops_is_counted_as_often_as_it_is_done(experiment, loops):
    config = load_config(SMOKE, [*TOY, *(f"--config.{field}" for field in loops)])
    counted, _ = plan.work_without_loops(config, experiment.dataset)
    once = plan.measure(experiment.run, plan.abstract_state(experiment.run)).flops
    assert counted == pytest.approx(max(1, config.seeds) * once, rel=0.02)


def test_the_largest_batch_fits_and_the_next_was_seen_to_fail(experiment, monkeypatch):
    config = load_config(SMOKE, TOY)
    own = plan.measure(experiment.run, plan.abstract_state(experiment.run)).memory
    memory = own + 10_000
    monkeypatch.setattr(plan, "TRIES", 4)
    batch, cost, fails = plan.largest_batch(config, experiment.dataset, 1, 1, memory)
    assert batch > 16 and cost.memory <= memory and batch < fails
    other = build(plan.with_batch(config, fails)).run
    assert plan.measure(other, plan.abstract_state(other)).memory > memory
    with pytest.raises(UsageError, match="a batch of 1 takes"):
        plan.largest_batch(config, experiment.dataset, 1, 1, 1000)


@pytest.mark.parametrize(
    "config, groups",
    [("dcgan_fashion", 1), ("dcgan_fashion", 4), ("stylegan2_emoji", 4), ("r3gan_fashion", 1)],
)
def test_batches_in_search_of_the_largest_are_those_the_network_takes(config, groups, monkeypatch):
    """At a megabyte an image."""
    minibatch = ["--config.disc.minibatch=stddev"] if config.startswith("dcgan") else []
    fields = ["--config.data.name=fashion_mnist_10k", *(minibatch if groups > 1 else [])]
    config = load_config(f"{ROOT}/configs/{config}.py:smoke", fields)
    tried = []
    build_it = lambda config, dataset: (
        tried.append(config.data.batch_size) or SimpleNamespace(run=None)
    )
    cost = lambda *_: SimpleNamespace(memory=tried[-1] * 2**20)
    monkeypatch.setattr(plan, "build_on", build_it)
    monkeypatch.setattr(plan, "measure", cost)
    monkeypatch.setattr(plan, "abstract_state", lambda run: None)
    dataset = load_dataset("fashion_mnist_10k", resolution=config.data.get("resolution") or 0)
    batch, *_ = plan.largest_batch(config, dataset, 1, 1, 107 * 2**20)
    assert batch == 107 // groups * groups and all(size % groups == 0 for size in tried)


def test_devices_share_the_batch():
    command = [sys.executable, "-m", "jaxgan.plan", "--config", SMOKE, "--seconds", "0", *TOY]
    done = subprocess.run([*command, "--devices", "2"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2, each with 8 images a step; here 2 x cpu" in done.stdout
    assert "left out" not in done.stdout


def test_where_there_are_fewer_devices_they_take_their_share(capsys):
    here = jax.device_count()
    plan.main(["--config", SMOKE, "--seconds", "0", "--devices", str(2 * here), *TOY])
    assert f"exchange of gradients: {here} of {2 * here}" in capsys.readouterr().out
    for devices, part in (("3", "multiple of the 3 devices; got 16"), ("-1", "not be negative")):
        with pytest.raises(UsageError, match=part):
            plan.main(["--config", SMOKE, "--devices", devices, *TOY])


def test_sizes_and_times():
    assert plan.parse_bytes("16GB") == 16e9 and plan.parse_bytes("1.5 gib") == 1.5 * 2**30
    assert plan.parse_bytes("7B") == 7
    for text in ("16", "GB", "-1GB", "0MB", "16XB", "1e9B", "16IB"):
        with pytest.raises(UsageError, match="--memory"):
            plan.parse_bytes(text)
    assert plan.count(1.234e9, "FLOP") == "1.23 GFLOP" and plan.count(7, "B") == "7 B"
    assert plan.clock(3723.4) == "1:02:03" and plan.clock(0) == "0:00:00"
