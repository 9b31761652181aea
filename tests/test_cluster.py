"""The scripts of experiments/cluster, but for what takes a SLURM (local_slurm.py)."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

FOLDER = ROOT / "experiments" / "cluster"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def test_a_sweep_has_a_line_for_each_combination_that_jaxgan_reads(capsys):
    import sweep

    from jaxgan.config import load_config

    config = "configs/dcgan_fashion.py"
    sweep.main(["--config", config, "--seeds", "2", "--set", "loss=hinge,lsgan"])
    lines = capsys.readouterr().out.splitlines()
    assert len(set(lines)) == 4
    spec, *overrides = lines[-1].split()
    read = load_config(f"{ROOT}/{spec.removeprefix('--config=')}", overrides)
    assert (read.loss, read.seed) == ("lsgan", 1)
    with pytest.raises(SystemExit):
        sweep.main(["--config", config, "--set", "loss"])


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.s*")))
def test_scripts_are_bash_or_yaml(script):
    path = FOLDER / script
    if path.suffix in (".sh", ".sbatch"):
        subprocess.run(["bash", "-n", path], check=True)
        assert os.access(path, os.X_OK)


def stand_ins(tmp_path, status):
    """Programs of that name that write down how they were called; `srun` ends with `status`."""
    for name, end in (("srun", status), ("scontrol", 0)):
        path = tmp_path / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> {tmp_path}/calls\nexit {end}\n')
        path.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7",
                         "SLURM_ARRAY_JOB_ID": "8", "SLURM_ARRAY_TASK_ID": "2"}  # fmt: skip


@pytest.mark.parametrize("status, requeued", [(42, True), (0, False), (1, False)])
def test_only_a_run_that_saved_goes_back_into_the_queue(tmp_path, status, requeued):
    environment = stand_ins(tmp_path, status)
    (tmp_path / "lines").write_text(
        "--config=a.py --config.seed=0\n--config=a.py --config.seed=1\n"
    )
    for script, arguments, number in (
        ("train.sbatch", ["a.py", "runs/a", "--config.loss=hinge"], "7"),
        ("sweep.sbatch", [tmp_path / "lines", "runs"], "8_2"),
    ):
        done = subprocess.run([FOLDER / script, *arguments], env=environment)
        assert done.returncode == status
        calls = (tmp_path / "calls").read_text()
        assert (f"scontrol requeue {number}" in calls) == requeued
    assert "--workdir runs/a --config.loss=hinge" in calls
    assert "--workdir runs/2 --config=a.py --config.seed=1" in calls


def test_a_sweep_without_such_a_line_says_so(tmp_path):
    (tmp_path / "lines").write_text("--config=a.py\n")
    command = [FOLDER / "sweep.sbatch", tmp_path / "lines", "runs"]
    done = subprocess.run(command, env=stand_ins(tmp_path, 0), capture_output=True, text=True)
    assert done.returncode == 2 and "has no line 2" in done.stderr


def test_all_reduces_are_counted_in_a_program():
    import scaling

    hlo = """
  %all-reduce = f32[128,3]{1,0} all-reduce(%x), channel_id=1
  %b = (f32[10]{0}, bf16[4,4]{1,0}) all-reduce-start(%y, %z), channel_id=2
  %c = f32[] add(%u, %all-reduce)
"""
    assert scaling.all_reduces(hlo) == (2, 128 * 3 * 4 + 40 + 32)


@pytest.mark.slow
def test_a_preempted_run_ends_as_an_unbroken_one():
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("to install and to start SLURM one must be root, on Debian or Ubuntu")
    command = [sys.executable, FOLDER / "local_slurm.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
