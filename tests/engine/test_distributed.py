"""How processes find each other, and that two of them train as one would."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import read_first_batch
from jaxgan.engine.checkpoint import Checkpoints
from jaxgan.engine.distributed import (
    Agreement,
    any_of,
    held_by_first,
    init,
    is_first,
    of_first,
    several,
    whereabouts,
)
from jaxgan.engine.report import Unwritten, read_metrics
from jaxgan.engine.train import start, train
from jaxgan.errors import UsageError

JAX = {
    "JAX_COORDINATOR_ADDRESS": "host:1234",
    "JAX_NUM_PROCESSES": "4",
    "JAX_PROCESS_ID": "3",
}
SLURM = {"SLURM_STEP_NODELIST": "node[1-2]", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}
MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}
FOUND = {"coordinator_address": "host:1234", "num_processes": 4, "process_id": 3}


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, None),
        (JAX, FOUND),
        (JAX | SLURM | {"SLURM_STEP_NUM_TASKS": "9"}, FOUND),
        (JAX | {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"}, None),
        ({"JAX_NUM_PROCESSES": "1"} | SLURM | {"SLURM_STEP_NUM_TASKS": "9"}, None),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "2"}, {}),
        (SLURM | {"SLURM_NTASKS": "2"}, {}),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "2"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, None),  # the batch script itself
        (MPI | {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:1"}, {}),
        (MPI | {"JAX_COORDINATOR_ADDRESS": "host:1"}, {"num_processes": 2, "process_id": 1}),
        (MPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),  # a pod by itself
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, {}),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}, {}),
    ],
)
def test_processes_are_recognised(environ, expected):
    assert whereabouts(environ) == expected


@pytest.mark.parametrize(
    "environ, message",
    [
        ({"JAX_PROCESS_ID": "0"}, "JAX_COORDINATOR_ADDRESS and JAX_NUM_PROCESSES missing"),
        (JAX | {"JAX_PROCESS_ID": "4"}, r"JAX_PROCESS_ID must be in 0..3; got '4'"),
        (JAX | {"JAX_PROCESS_ID": "-1"}, "JAX_PROCESS_ID must be in"),
        (JAX | {"JAX_NUM_PROCESSES": "two"}, "must be a positive number; got 'two'"),
        (JAX | {"JAX_COORDINATOR_ADDRESS": "host"}, "must be host:port; got 'host'"),
        ({"JAX_COORDINATOR_ADDRESS": "host:1"}, "but not how many processes there are"),
        (MPI, "set JAX_COORDINATOR_ADDRESS"),
    ],
)
def test_half_of_what_is_needed_is_refused(environ, message):
    with pytest.raises(UsageError, match=message) as error:
        whereabouts(environ)
    assert "\n" not in str(error.value)


def test_kubernetes_needs_its_package(monkeypatch):
    import importlib.util

    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}
    found = importlib.util.find_spec("kubernetes")
    if found:
        assert whereabouts(pod) == {}
    else:
        with pytest.raises(UsageError, match="pip install kubernetes"):
            whereabouts(pod)


def test_a_process_by_itself_asks_nobody(tmp_path):
    init()
    assert is_first() and not several()
    assert of_first(lambda: {"a": (1, 2)}) == {"a": (1, 2)}
    assert any_of(True) and not any_of(False)
    agreed = Agreement()
    assert [agreed(step, step == 2) for step in range(4)] == [False, False, True, False]
    with pytest.raises(ZeroDivisionError), held_by_first((tmp_path / "a").open("w")):
        raise ZeroDivisionError


def test_what_is_not_the_first_writes_nothing_and_computes_the_same_line(tmp_path):
    with Unwritten(tmp_path, config="{}", first_step=0, steps=9, images=4) as report:
        report.say("nothing")
        report.grid("a", np.zeros((1, 1, 4, 4, 1)), 1)
        report.picture("b", np.zeros((4, 4, 3), np.uint8), 1)
        report.film()
        line = report.log(2, {"disc/loss": 0.5}, seconds=1.0, steps_per_sec=2.0)
        report.summarize({})
    assert line == {"step": 2, "images": 8, "seconds": 1.0, "images_per_sec": 8.0,
                    "disc/loss": 0.5}  # fmt: skip
    assert not list(tmp_path.iterdir())


SMOKE = f"{ROOT}/configs/dcgan_fashion.py:smoke"
# Adam would make steps of a size of their own out of what rounding leaves of a zero gradient.
TINY = [
    "--config.gen.width=4",
    "--config.disc.width=4",
    "--config.data.batch_size=8",
    "--config.optim.gen={'name': 'sgd', 'lr': 0.1}",
    "--config.optim.disc={'name': 'sgd', 'lr': 0.1}",
    "--config.sample.every=4",
    "--config.log.every=2",
    "--config.train.steps_per_call=2",
    "--config.eval.every=4",
    "--config.eval.features=",
    "--config.eval.metrics=('swd',)",
    "--config.checkpoint.every=2",
    "--config.checkpoint.keep=100",
]


class Processes:
    """Two processes of the program in one workdir, each with one device."""

    def __init__(self, workdir, *overrides):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [sys.executable, "-m", "jaxgan.main", "--config", SMOKE, "--workdir", workdir]
        self.logs = [workdir.with_suffix(f".{index}.log") for index in (0, 1)]
        self.processes = [
            subprocess.Popen(
                [*map(str, command), *TINY, *overrides],
                cwd=ROOT,
                stderr=log.open("w"),
                env=os.environ | {
                    "JAX_COORDINATOR_ADDRESS": address,
                    "JAX_NUM_PROCESSES": "2",
                    "JAX_PROCESS_ID": str(index),
                    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
                    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                    "JAX_PLATFORMS": "cpu",
                },
            )
            for index, log in enumerate(self.logs)
        ]  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, seconds=120):
        return [process.wait(seconds) for process in self.processes]

    def until(self, path):
        end = time.monotonic() + 120
        while not path.exists():
            assert time.monotonic() < end and self.processes[0].poll() is None, self.told(0)
            time.sleep(0.02)

    def told(self, index):
        return self.logs[index].read_text()


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """A folder of images that processes read as they need them."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(40):
        pixels = np.random.default_rng(index).integers(0, 256, (12, 12), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return ["--config.data.name=folder", f"--config.data.dir={folder}",
            "--config.data.resolution=12", "--config.data.flip=True",
            "--config.data.max_resident_mb=0"]  # fmt: skip


@pytest.fixture(scope="module")
def history(streamed, tmp_path_factory):
    """A run of two processes, then of one, then of two that one signal stops, then one is killed.

    And beside it one that a single process made.
    """
    folder = tmp_path_factory.mktemp("runs")
    resident = [text for text in streamed if "max_resident_mb" not in text]
    run_of = lambda steps: (
        build(load_config(SMOKE, [*TINY, *resident, f"--config.train.steps={steps}"])).run
    )
    train(run_of(8), folder / "one")
    ends = {}
    workdir = folder / "many"
    with Processes(workdir, *streamed, "--config.train.steps=4") as two:
        ends["finished"] = two.wait(), two.told(0), two.told(1)
    train(run_of(6), workdir)
    endless = [*streamed, "--config.train.steps=100000", "--force",
               "--config.sample.every=0", "--config.eval.every=0"]  # fmt: skip
    with Processes(workdir, *endless) as two:
        two.until(workdir / "checkpoints" / "10")
        two.processes[1].send_signal(signal.SIGTERM)
        ends["stopped"] = two.wait(), two.told(0), two.told(1)
    with Processes(workdir, *endless) as two:
        begun = read_metrics(workdir / "metrics.jsonl")[-1]["step"]
        two.until(workdir / "checkpoints" / str(begun + 4 + begun % 2))
        two.processes[1].kill()
        since = time.monotonic()
        ends["killed"] = two.wait(), two.told(0), time.monotonic() - since
    return run_of, folder, ends


def state_of(run, workdir, step):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return start(run, checkpoints, step, read_first_batch(run))


def test_two_processes_train_as_one_does_and_checkpoints_move_between(history):
    run_of, folder, ends = history
    assert ends["finished"][0] == [0, 0], ends["finished"][1:]
    run = run_of(8)
    for step in (4, 8):
        one, many = (state_of(run, folder / name, step) for name in ("one", "many"))
        assert "batch_stats" in one.variables["gen"]
        for part in ("params", "variables", "ema"):
            for a, b in zip(*(jax.tree.leaves(getattr(s, part)) for s in (one, many)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
        assert (jax.random.key_data(one.key) == jax.random.key_data(many.key)).all()
    one, many = (read_metrics(folder / name / "metrics.jsonl")[:4] for name in ("one", "many"))
    assert [line["step"] for line in many] == [2, 4, 6, 8], "each line is written once"
    for a, b in zip(one, many, strict=True):
        for name in a.keys() - {
            "seconds",
            "images_per_sec",
            "eval/swd",
        }:  # many was not scored at 8
            np.testing.assert_allclose(a[name], b[name], rtol=2e-3, atol=1e-4, err_msg=name)


def test_the_first_process_alone_tells_and_writes(history):
    _, folder, ends = history
    _, first, second = ends["finished"]
    assert "2 x cpu (cpu) of 2 processes; training from step 0 to 4" in first
    assert "training from" not in second and "step " not in second
    there = {path.name for path in (folder / "many").iterdir()}
    assert there >= {"config.json", "metrics.jsonl", "samples", "tensorboard", "checkpoints"}
    assert not list((folder / "many" / "checkpoints").glob("*.saving-*"))


def test_a_signal_to_one_process_stops_all_after_the_same_step(history):
    _, folder, ends = history
    statuses, first, second = ends["stopped"]
    assert statuses == [42, 42], first + second
    stopped = int(re.search(r"stopped after step (\d+) of 100000", first)[1])
    assert "SIGTERM: stopping" in second and stopped >= 10
    assert (folder / "many" / "checkpoints" / str(stopped)).exists()
    assert f"training from step {stopped} to" in ends["killed"][1], "and it resumed there"


def test_where_a_process_dies_the_other_ends_too_and_says_why(history):
    _, folder, ends = history
    (first, second), told, seconds = ends["killed"]
    assert second == -signal.SIGKILL and first not in (0, 42)
    assert seconds < 100
    last = told.strip().splitlines()[-1]
    assert "process 0 of 2 cannot go on; most likely another one died" in last or "died" in told
    with Checkpoints(folder / "many" / "checkpoints") as checkpoints:
        assert checkpoints.latest() is not None
