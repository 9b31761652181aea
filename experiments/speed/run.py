"""Times GAN steps of jaxgan against PyTorch, and against jaxgan with plain JAX convolutions.

    python experiments/speed/run.py                                  # every workload
    python experiments/speed/run.py dcgan wgan_gp --rounds 8 --python-torch PYTHON
    python experiments/speed/run.py --sweep batch                    # how cost grows

Every contender is a process of its own that waits while another is timed; rounds go A B A B ...,
and a ratio is that of two neighbours in one round. PyTorch is the fastest of eager, channels-last
and compiled, found by a first timing. Appends lines to results.jsonl and prints the table.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from workloads import WORKLOADS, Workload

HERE = Path(__file__).parent
TORCH_MODES = ("eager", "channels_last", "compiled", "compiled_channels_last")
SWEEPS = {
    "batch": [(str(n), {"batch": n}) for n in (16, 32, 64, 128, 256, 512)],
    "resolution": [(str(n), {"resolution": n, "batch": 32}) for n in (32, 64, 128)],
    "width": [(str(n), {"gen_width": n, "disc_width": n}) for n in (16, 32, 64, 128)],
    "turns": [(str(n), {"disc_turns": n, "batch": 64}) for n in (1, 2, 3, 5)],
}
MATRIX = 4096


class Worker:
    """A contender. hello: what it said of itself."""

    def __init__(self, command: list[str], env: dict[str, str]):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=HERE.parents[1],
            env=os.environ | env,
        )
        self.hello = self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise RuntimeError(said[-1] if said else f"exit {self.process.returncode}")
        return json.loads(line)

    def ask(self, what: str, number: int) -> dict:
        self.process.stdin.write(f"{what} {number}\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def contenders(workload: Workload, data: str, flags) -> dict[str, Worker]:
    """Workers of jaxgan, of plain convolutions, and of the fastest PyTorch, warmed up."""
    fields = json.dumps(asdict(workload))
    ours = [sys.executable, str(HERE / "jaxgan_worker.py"), fields, data, flags.dtype]
    ours += [str(flags.steps_per_call), str(flags.cpu_devices)]
    # No cache, so that compile times are those of a first start.
    fresh = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    workers = {"jaxgan": Worker(ours, fresh)}
    if flags.plain:
        workers["plain"] = Worker(ours, fresh | {"JAXGAN_CONV": "native"})
    fastest, tried = None, {}
    for mode in flags.modes:
        command = [flags.python_torch, str(HERE / "torch_worker.py"), fields, mode, flags.dtype]
        try:
            worker = Worker(command, {})
            seconds = seconds_a_step(worker, 1.0)
        except RuntimeError as error:
            tried[mode] = str(error)[:200]
            continue
        tried[mode] = round(images(workload) / seconds, 1)
        if fastest is None or seconds < fastest[0]:
            if fastest:
                fastest[2].close()
            fastest = seconds, mode, worker
        else:
            worker.close()
    if flags.modes and not fastest:
        raise SystemExit(f"PyTorch did not run: {tried}")
    if fastest:
        workers["torch"] = fastest[2]
        fastest[2].hello |= {"mode": fastest[1], "images_per_sec_by_mode": tried}
    return workers


def images(workload: Workload) -> int:
    """Reals that a step uses."""
    return workload.batch * workload.disc_turns


def seconds_a_step(worker: Worker, at_least: float, multiple: int = 1) -> float:
    """After a warm-up, from enough steps to take `at_least` seconds."""
    steps = multiple
    worker.ask("steps", steps)
    while True:
        seconds = worker.ask("steps", steps)["seconds"]
        if seconds >= at_least:
            return seconds / steps
        enough = 1.2 * at_least / seconds * steps
        steps = multiple * max(2 * steps // multiple, int(enough / multiple))


def measure(name: str, workload: Workload, data: str, flags) -> dict:
    """One line of results."""
    workers = contenders(workload, data, flags)
    counts = {}
    for who, worker in workers.items():
        multiple = workload.interval
        if who != "torch":
            multiple = math.lcm(multiple, flags.steps_per_call)
        each = seconds_a_step(worker, 1.0, multiple)
        counts[who] = multiple * max(1, round(flags.seconds / each / multiple))
    speeds = {who: [] for who in workers}
    rates, peaks = [], {}
    for _ in range(flags.rounds):
        for who, worker in workers.items():
            answer = worker.ask("steps", counts[who])
            speeds[who].append(counts[who] * images(workload) / answer["seconds"])
            peaks[who] = answer["peak_mb"]
        worker = workers["jaxgan"]
        worker.ask("matmul", MATRIX)
        rates.append(2 * MATRIX**3 / worker.ask("matmul", MATRIX)["seconds"])
    for worker in workers.values():
        worker.close()
    hello = workers["jaxgan"].hello
    rate = statistics.median(rates)
    ours = statistics.median(speeds["jaxgan"])
    line = {
        "workload": name,
        "dtype": flags.dtype,
        "steps_per_call": flags.steps_per_call,
        "cpu_devices": flags.cpu_devices,
        "batch": workload.batch,
        "device": hello["device"],
        "images_per_sec": {who: round(statistics.median(v), 1) for who, v in speeds.items()},
        "seconds_per_kimg": {
            who: round(1000 / statistics.median(v), 3) for who, v in speeds.items()
        },
        "over": {
            who: ratio(speeds["jaxgan"], values)
            for who, values in speeds.items()
            if who != "jaxgan"
        },
        "gflop_per_step": round(hello["flops"] / 1e9, 2),
        "matrix_gflop_per_sec": round(rate / 1e9, 1),
        "fraction_of_floor": round(hello["flops"] * ours / images(workload) / rate, 3),
        "peak_mb": peaks,
        "compile_seconds": {
            who: worker.hello["compile_seconds"] for who, worker in workers.items()
        },
        "parameters": {who: worker.hello["parameters"] for who, worker in workers.items()},
        "versions": {who: worker.hello["version"] for who, worker in workers.items()},
    }
    if "torch" in workers:
        line["torch"] = {k: workers["torch"].hello[k] for k in ("mode", "images_per_sec_by_mode")}
    return line


def ratio(ours: list[float], theirs: list[float]) -> list[float]:
    """Median, least and greatest of the rounds' ratios."""
    each = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return [round(statistics.median(each), 2), round(each[0], 2), round(each[-1], 2)]


def table(lines: list[dict]) -> str:
    rows = [
        "| workload | images/s | over PyTorch | its mode | over plain JAX | of the floor "
        "| compile s (PyTorch) | peak MB (PyTorch) |",
        "|---|---|---|---|---|---|---|---|",
    ]

    def spread(line, who):
        return "{} ({} to {})".format(*line["over"][who]) if who in line["over"] else ""

    for line in lines:
        compile_seconds, peak = line["compile_seconds"], line["peak_mb"]
        mode = line.get("torch", {}).get("mode", "")
        rows.append(
            f"| {line['workload']} | {line['images_per_sec']['jaxgan']:.0f} "
            f"| {spread(line, 'torch')} | {mode} | {spread(line, 'plain')} "
            f"| {line['fraction_of_floor']:.0%} "
            f"| {compile_seconds['jaxgan']:.0f} ({compile_seconds.get('torch', '')}) "
            f"| {peak['jaxgan']} ({peak.get('torch', '')}) |"
        )
    return "\n".join(rows)


def image_file(workload: Workload, folder: str) -> str:
    """2,048 random images, from which every contender draws."""
    shape = (2048, workload.resolution, workload.resolution, workload.channels)
    path = f"{folder}/{workload.resolution}x{workload.channels}.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--sweep", choices=SWEEPS, help="of the one workload named, or dcgan")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each timing")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--steps_per_call", type=int, default=1)
    parser.add_argument("--cpu_devices", type=int, default=0, help="see train.cpu_devices")
    parser.add_argument("--python-torch", default=sys.executable, help="where PyTorch is installed")
    parser.add_argument("--modes", nargs="*", default=TORCH_MODES, help="of PyTorch; none: without")
    parser.add_argument("--no-plain", dest="plain", action="store_false", help="no plain JAX")
    parser.add_argument("--out", type=Path, default=HERE / "results.jsonl")
    flags = parser.parse_args()
    chosen = {name: WORKLOADS[name] for name in flags.workloads or WORKLOADS}
    if flags.sweep:
        base = flags.workloads[0] if flags.workloads else "dcgan"
        chosen = {
            f"{base} {flags.sweep} {label}": replace(WORKLOADS[base], **change)
            for label, change in SWEEPS[flags.sweep]
        }
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, workload in chosen.items():
            lines.append(measure(name, workload, image_file(workload, folder), flags))
            with flags.out.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(table(lines[-1:]), flush=True)
    print(f"\n{table(lines)}")


if __name__ == "__main__":
    main()
