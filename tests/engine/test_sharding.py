"""Eight virtual devices play the game of one: the same batch, global batch statistics."""

import json
import subprocess
import sys

import numpy as np
from conftest import ROOT

PROGRAM = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from pathlib import Path
from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.calls import first_batch
from jaxgan.engine.train import start, train
config = load_config("configs/dcgan_fashion.py:smoke", [
    "--config.train.steps=3", "--config.log.every=1", "--config.sample.every=0",
    "--config.gen.width=4", "--config.disc.width=4", "--config.eval.every=0",
    "--config.optim.gen={'name': 'sgd', 'lr': 0.1}",
    "--config.optim.disc={'name': 'sgd', 'lr': 0.1}",
])
workdir = Path(sys.argv[2])
workdir.mkdir()
run = build(config).run
train(run, workdir)
real = first_batch(run)(run.feed.inputs(0), jax.random.key(0))
state = start(run, Checkpoints(workdir / "checkpoints"), 3, real)
norms = [float((x ** 2).sum()) for x in jax.tree.leaves((state.params, state.variables))]
print(json.dumps({"devices": jax.device_count(), "norms": norms}))
"""


def trained_on(devices, workdir):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(devices), str(workdir)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_eight_devices_equal_one(tmp_path):
    one, eight = trained_on(1, tmp_path / "one"), trained_on(8, tmp_path / "eight")
    assert (one["devices"], eight["devices"]) == (1, 8)
    np.testing.assert_allclose(eight["norms"], one["norms"], rtol=1e-4, atol=1e-7)
