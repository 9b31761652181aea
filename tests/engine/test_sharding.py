"""Eight virtual devices play the game of one: the same batch, global batch statistics."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import ROOT

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import read_first_batch
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.report import read_metrics
from jaxgan.engine.sharding import DIVIDED, Placement, make_mesh
from jaxgan.engine.train import start

# Adam would make steps of a size of their own out of what rounding leaves of a zero gradient.
PLAIN = [
    "--config.log.every=1", "--config.sample.every=0", "--config.eval.every=0",
    "--config.gen.width=4", "--config.disc.width=4",
    "--config.optim.gen={'name': 'sgd', 'lr': 0.1}",
    "--config.optim.disc={'name': 'sgd', 'lr': 0.1}",
]  # fmt: skip
GAMES = {
    "dcgan": ["configs/dcgan_fashion.py:smoke"],
    "wgan_gp": ["configs/wgan_gp_fashion.py:smoke", "--config.train.disc_turns=2"],
    "r1": ["configs/dcgan_fashion.py:smoke", "--config.terms.r1.weight=0.1"],
}
SHARED = ["--config.train.state_shards=4"]  # devices that share a copy of the state
# Devices, and to which step they go: a run that moves between them.
MOVES = ((8, 2), (2, 4), (1, 6), (8, 8))
PROGRAM = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
jax.config.update("jax_disable_most_optimizations", True)
from pathlib import Path
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, initializer, read_first_batch
from jaxgan.engine.train import start, train
for spec, *overrides, workdir in json.loads(sys.argv[2]):
    Path(workdir).parent.mkdir(exist_ok=True)
    run = build(load_config(spec, overrides)).run
    train(run, Path(workdir))
    if run.state_shards > 1:
        init = initializer(run.game, run.optimizers, run.seed, 0, run.state_shards)
        state = init(read_first_batch(run))
        for step in range(2):
            parts = [(leaf.size, leaf.addressable_shards[0].data.size)
                     for leaf in jax.tree.leaves((state.params, state.opt_state, state.ema))]
            print(json.dumps(parts))
            state, _ = Calls(run).of(0, 1)(state, run.feed.inputs(0))
"""


def arguments(name, steps):
    spec, *overrides = GAMES[name]
    return [spec, *PLAIN, *overrides, f"--config.train.steps={steps}"]


def play(devices, jobs):
    """jobs: (game, steps, workdir, overrides...), trained one after the other by one process."""
    told = json.dumps(
        [[*arguments(name, steps), *more, str(workdir)] for name, steps, workdir, *more in jobs]
    )
    command = [sys.executable, "-c", PROGRAM, str(devices), told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The games on one device and on eight, and one that moves."""
    folder = tmp_path_factory.mktemp("runs")
    said = []
    for index, (devices, steps) in enumerate(MOVES):
        jobs = [("dcgan", steps, folder / "moved")]
        if index == 0:
            jobs += [(name, 3, folder / f"{name}-8") for name in GAMES]
            jobs.append(("dcgan", 3, folder / "shared-8", *SHARED))
        if devices == 1:
            jobs += [(name, 3, folder / f"{name}-1") for name in GAMES]
            jobs.append(("dcgan", 8, folder / "stayed"))
        said.append(play(devices, jobs))
    return folder, said


def state_of(name, workdir):
    spec, *overrides = arguments(name, 8)
    run = build(load_config(f"{ROOT}/{spec}", overrides)).run
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return start(run, checkpoints, checkpoints.latest(), read_first_batch(run))


def assert_alike(name, first, second):
    a, b = state_of(name, first), state_of(name, second)
    assert a.step == b.step
    for part in ("params", "variables", "ema"):
        pairs = zip(*(jax.tree.leaves(getattr(state, part)) for state in (a, b)), strict=True)
        for x, y in pairs:
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)
    one, other = (read_metrics(path / "metrics.jsonl") for path in (first, second))
    for x, y in zip(one, other, strict=True):
        for metric in x.keys() - {"seconds", "images_per_sec"}:
            np.testing.assert_allclose(x[metric], y[metric], rtol=2e-3, atol=1e-4, err_msg=metric)


@pytest.mark.parametrize("name", GAMES)
def test_eight_devices_equal_one(name, trained):
    folder, said = trained
    assert "8 x cpu" in said[0] and "1 x cpu" in said[2]
    assert_alike(name, folder / f"{name}-8", folder / f"{name}-1")


def test_devices_that_share_the_state_equal_one(trained):
    """And each holds a part of what is large, before a step and after it."""
    folder, said = trained
    assert_alike("dcgan", folder / "shared-8", folder / "dcgan-1")
    before, after = (json.loads(line) for line in said[0].splitlines() if line.startswith("[["))
    assert before == after
    large = [(size, part) for size, part in before if size >= DIVIDED]
    assert large and all(part == size // 4 for size, part in large)
    assert sum(part for _, part in before) < 0.5 * sum(size for size, _ in before)


WIDEST = """
import re
import jax
jax.config.update("jax_num_cpu_devices", 4)
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, initializer, read_first_batch
fields = ["data.batch_size=44", "train.disc_turns=2", "loss=hinge", "gen.norm=none"]
config = load_config("configs/mlp_mnist.py:smoke", [f"--config.{field}" for field in fields])
run = build(config).run
init = initializer(run.game, run.optimizers, run.seed)
state = init.eval_shape(jax.eval_shape(lambda: read_first_batch(run)))
step = Calls(run).of(0, 1).call.lower(state, run.feed.inputs(0)).compile().as_text()
print(len(re.findall(r"= f32\\[44,", step)), len(re.findall(r"= f32\\[11,", step)))
"""


def test_a_turn_of_the_generator_alone_is_divided_too():
    """It sees no data, which are what is divided: its latents must be."""
    done = subprocess.run([sys.executable, "-c", WIDEST], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    of_all, of_a_device = map(int, done.stdout.split())
    assert of_all == 0 < of_a_device


def test_a_run_moves_from_eight_devices_to_two_to_one_and_back(trained):
    folder, said = trained
    for (devices, _), (_, before), text in zip(MOVES, ((0, 0), *MOVES), said, strict=False):
        assert f"{devices} x cpu (cpu); training from step {before} to" in text
    assert_alike("dcgan", folder / "moved", folder / "stayed")


def test_a_batch_that_devices_cannot_share_is_refused_and_valid_ones_are_named():
    program = (
        "import jax; jax.config.update('jax_num_cpu_devices', 8)\n"
        "from jaxgan.build import check_batch; from jaxgan.config import load_config\n"
        "for field in ('data.batch_size=12', 'data.batch_size=4', 'train.state_shards=3'):\n"
        "    config = load_config('configs/dcgan_fashion.py:smoke', [f'--config.{field}'])\n"
        "    try: check_batch(config)\n"
        "    except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "config.data.batch_size must be a multiple of the 8 devices, such as 8 or 16; got 12",
        "config.data.batch_size must be a multiple of the 8 devices, such as 8; got 4",
        "config.train.state_shards must divide the 8 devices; got 3",
    ]


def test_a_placement_of_one_process_has_all_rows_and_puts_them_where_they_belong():
    placement = Placement(make_mesh())
    assert placement.rows(6).tolist() == list(range(6))
    array = np.arange(24).reshape(2, 6, 2)
    np.testing.assert_array_equal(placement.shared({"a": array}, 6)["a"], array)
    np.testing.assert_array_equal(placement.whole(array), array)


def test_a_cpu_is_as_many_devices_as_the_config_says(tmp_path):
    """And of a run that goes on another number is no other config."""
    command = [sys.executable, "-m", "jaxgan.main", "--config", "configs/mlp_mnist.py:smoke"]
    command += ["--workdir", str(tmp_path), "--config.disc.dropout=0.0"]
    for devices, steps in ((2, 2), (1, 4)):
        fields = {"cpu_devices": devices, "steps": steps}
        given = [f"--config.train.{name}={value}" for name, value in fields.items()]
        done = subprocess.run([*command, *given], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"{devices} x cpu (cpu); training from step {steps - 2} to" in done.stderr
