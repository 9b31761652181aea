"""A SLURM of two nodes on this machine, for a test: a preempted run ends as an unbroken one.

    python experiments/cluster/local_slurm.py

Installs slurmctld, slurmd and munge where they are missing (Debian, Ubuntu; as root), starts them
with a configuration, a key and ports of their own, submits train.sbatch twice, lets a job of
another partition preempt the second in the middle, waits until it was requeued and has finished,
and compares both final states and their metrics (but for times), bit for bit. Then sweep.sbatch
trains two seeds as an array. Everything is stopped and removed at the end but the packages.
Appends a line to results.jsonl beside this file.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol", "munged")
NODES = ("jaxgan1", "jaxgan2")
HOSTS = Path("/etc/hosts")
HANG = 300.0  # seconds that anything may take
CONFIGURATION = """
ClusterName=jaxgan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={work}/munge.socket,cred_expire=5
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool-%n
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=spare Nodes=ALL Default=YES PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF
"""
CONFIG = "configs/dcgan_fashion.py:smoke"
OVERRIDES = (
    "--config.train.steps={steps}", "--config.checkpoint.every=200", "--config.log.every=20",
    "--config.sample.every=0", "--config.eval.every=0", "--config.checkpoint.keep=20",
)  # fmt: skip


def install() -> None:
    if all(map(shutil.which, PROGRAMS)):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        apt = ["apt-get", "-q", *command]
        subprocess.run(apt, check=True, env=environment, stdout=sys.stderr)


@contextmanager
def names() -> Iterator[None]:
    """The nodes' names stand for this machine."""
    before = HOSTS.read_text()
    HOSTS.write_text(before.rstrip("\n") + "".join(f"\n127.0.0.1 {name}" for name in NODES) + "\n")
    try:
        yield
    finally:
        lines = HOSTS.read_text().splitlines(keepends=True)
        ours = {f"127.0.0.1 {name}" for name in NODES}
        HOSTS.write_text("".join(line for line in lines if line.strip() not in ours))


@contextmanager
def daemon(work: Path, name: str, *command: str, **options) -> Iterator[None]:
    with (work / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        try:
            yield
            if process.poll() is not None:
                raise SystemExit(f"{name} ended:\n{(work / f'{name}.log').read_text()}")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def slurm(work: Path) -> Iterator[None]:
    """The daemons run, and this process's commands speak to them."""
    work.chmod(0o755)
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (work / name).mkdir()
    private = work / "munge"
    private.mkdir(mode=0o700)
    (private / "key").write_bytes(os.urandom(128))
    (private / "key").chmod(0o400)
    for path in (private, private / "key"):
        shutil.chown(path, "munge", "munge")
    control, *ports = free_ports(1 + len(NODES))
    host = socket.gethostname()
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 State=UNKNOWN"
        for node, port in zip(NODES, ports, strict=True)
    )
    text = CONFIGURATION.format(host=host, control=control, work=work, nodes=nodes)
    (work / "slurm.conf").write_text(text)
    os.environ["SLURM_CONF"] = str(work / "slurm.conf")
    munged = ["munged", "--foreground", "--force", f"--socket={work}/munge.socket"]
    munged += [f"--key-file={private}/key", f"--pid-file={private}/pid"]
    munged += [f"--log-file={private}/log", f"--seed-file={private}/seed", "--num-threads=2"]
    with ExitStack() as stack:
        stack.enter_context(names())
        start = lambda *arguments, **options: stack.enter_context(
            daemon(work, *arguments, **options)
        )
        start("munged", *munged)
        until("munge", lambda: (work / "munge.socket").exists())
        start("slurmctld", "slurmctld", "-D")
        for node in NODES:
            start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        listed = ("sinfo", "--Node", "--noheader", "--partition=spare", "--format=%t")
        idle = lambda: told(*listed).split() == ["idle"] * len(NODES)
        until("two idle nodes", idle)
        yield


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.stdout if done.returncode == 0 else ""


def until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {HANG:.0f} s for {what}\n{told('squeue')}{told('sinfo')}")
        time.sleep(0.2)


class Job:
    """A job of train.sbatch, or another."""

    def __init__(self, *arguments: str):
        done = subprocess.run(
            ["sbatch", "--parsable", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"sbatch: {done.stderr}")
        self.number = done.stdout.split(";")[0].strip()

    def fact(self, name: str) -> str:
        found = re.search(rf"\b{name}=(\S+)", told("scontrol", "show", "job", self.number))
        return found[1] if found else ""

    def ended(self) -> bool:
        states = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return self.fact("JobState") in states


def submit(work: Path, name: str, steps: int) -> Job:
    log = f"--output={work}/{name}.log"
    script = [str(HERE / "train.sbatch"), CONFIG, str(work / name)]
    return Job("--partition=spare", log, *script, *(o.format(steps=steps) for o in OVERRIDES))


def steps_of(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.glob("checkpoints/*") if path.name.isdigit())


def arrays_of(workdir: Path, steps: int) -> list:
    """The last state, as arrays."""
    import jax

    from jaxgan.build import build
    from jaxgan.config import load_config
    from jaxgan.engine.calls import initializer, read_first_batch
    from jaxgan.engine.checkpoint import Checkpoints

    run = build(load_config(CONFIG, [text.format(steps=steps) for text in OVERRIDES])).run
    like = initializer(run.game, run.optimizers, run.seed).eval_shape(read_first_batch(run))
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if checkpoints.latest() != steps:
            raise SystemExit(f"{workdir} ends at step {checkpoints.latest()}")
        state = checkpoints.restore(steps, like)
    return jax.tree.leaves(state.replace(key=jax.random.key_data(state.key)))


def lines_of(workdir: Path) -> list[dict]:
    from jaxgan.engine.report import read_metrics

    times = ("seconds", "images_per_sec")
    lines = read_metrics(workdir / "metrics.jsonl")
    return [{name: value for name, value in line.items() if name not in times} for line in lines]


def test(work: Path, steps: int) -> dict:
    """What happened to the two runs, and whether they ended alike."""
    whole = submit(work, "whole", steps)
    until("the first run", whole.ended)
    preempted = submit(work, "preempted", steps)
    until("its first checkpoint", lambda: bool(steps_of(work / "preempted")))
    begin = time.monotonic()
    urgent = Job("--partition=urgent", "--nodes=2", f"--output={work}/urgent.log",
                 "--wrap=srun sleep 2")  # fmt: skip
    until("the urgent job", urgent.ended)
    log = (work / "preempted.log").read_text()
    stopped = re.search(r"stopped after step (\d+)", log)
    given_way = time.monotonic() - begin
    until("the second run", preempted.ended)
    facts = {
        "date": date.today().isoformat(),
        "slurm": told("sinfo", "--version").split()[-1],
        "nodes": len(NODES),
        "steps": steps,
        "states": [job.fact("JobState") for job in (whole, urgent, preempted)],
        "restarts": int(preempted.fact("Restarts") or 0),
        "stopped_after": int(stopped[1]) if stopped else None,
        "gave_way_in_seconds": round(given_way, 1),
    }
    resumed = re.findall(r"training from step (\d+)", (work / "preempted.log").read_text())
    facts["resumed_from"] = [int(step) for step in resumed]
    if facts["states"] == ["COMPLETED"] * 3:
        pairs = zip(*(arrays_of(work / n, steps) for n in ("whole", "preempted")), strict=True)
        facts["same_state"] = all(bool((a == b).all()) for a, b in pairs)
        facts["same_metrics"] = lines_of(work / "whole") == lines_of(work / "preempted")
    facts["swept"] = sweep(work)
    return facts


def sweep(work: Path) -> list[int]:
    """The seeds whose runs of an array have finished, each in its own workdir."""
    from sweep import lines

    (work / "sweep.txt").write_text("\n".join(lines([CONFIG], 2, {"loss": ["hinge"]})) + "\n")
    script = [str(HERE / "sweep.sbatch"), str(work / "sweep.txt"), str(work / "sweep")]
    array = Job("--array=1-2", f"--output={work}/sweep-%a.log", *script)
    until("the sweep", lambda: not told("squeue", "--noheader", f"--jobs={array.number}"))
    configs = [json.loads(path.read_text()) for path in sorted(work.glob("sweep/*/config.json"))]
    finished = len(list(work.glob("sweep/*/summary.json"))) == len(configs)
    return [config["seed"] for config in configs if finished and config["loss"] == "hinge"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--keep", action="store_true", help="leave logs and workdirs")
    flags = parser.parse_args()
    if os.geteuid():
        sys.exit("to install and to start SLURM one must be root")
    sys.path[:0] = [str(ROOT), str(HERE)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and everything with it
    install()
    work = Path(tempfile.mkdtemp(prefix="jaxgan-slurm-"))
    os.environ |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    try:
        with slurm(work):
            facts = test(work, flags.steps)
        good = facts.get("same_state") and facts["same_metrics"] and facts["restarts"] == 1
        good = good and facts["resumed_from"] == [0, facts["stopped_after"]]
        good = good and facts["swept"] == [0, 1]
        if not good:
            for log in sorted(work.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()}", file=sys.stderr)
        print(json.dumps(facts))
        with (HERE / "results.jsonl").open("a") as file:
            file.write(json.dumps({"test": "preemption", **facts, "passed": bool(good)}) + "\n")
        return not good
    finally:
        if not flags.keep:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(work, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
