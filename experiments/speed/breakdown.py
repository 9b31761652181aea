r"""What a step of the jaxgan side of a workload consists of: seconds by kind of operation.

    python experiments/speed/breakdown.py dcgan
    python experiments/speed/breakdown.py stylegan2 \
        --config.augment="{'ada': {'p': 0.5, 'schedule': 'constant'}}"

Runs a few steps, without lazy terms, under `jax.profiler`, adds up the time of the compiled
program's operations by the name of their kind, and prints them, and how much of it are the filters
of up- and downsampling and the augmentations, gradients included. What is fused counts to the part
whose result it is. The trace stays in --trace.
"""

import argparse
import collections
import gzip
import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax
from run import image_file
from workloads import WORKLOADS, overrides

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.cpu import use_cpu
from jaxgan.engine.calls import Calls, first_batch, initializer

STEPS = 5
PARTS = {"filters": "filter", "augmentations": "augment"}  # and their named scopes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--trace", default=tempfile.gettempdir() + "/jaxgan-trace")
    flags, given = parser.parse_known_args()
    workload = WORKLOADS[flags.workload]
    with tempfile.TemporaryDirectory() as folder:
        arguments = overrides(workload, image_file(workload, folder), flags.dtype, 1)
        config = load_config(workload.config, [*arguments, *given])
        use_cpu(config.train.cpu_devices or 1)
        run = build(config).run
    inputs = run.feed.inputs(0)
    state = initializer(run.game, run.optimizers, run.seed)(
        first_batch(run)(inputs, jax.random.key(0))
    )
    compiled = Calls(run).of(1, 2).call.lower(state, inputs).compile()
    for _ in range(2):
        state, _ = compiled(state, inputs)
    jax.block_until_ready(state)
    with jax.profiler.trace(flags.trace):
        for _ in range(STEPS):
            state, _ = compiled(state, inputs)
        jax.block_until_ready(state)
    newest = max(Path(flags.trace).rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime)
    events = json.loads(gzip.decompress(newest.read_bytes()))["traceEvents"]
    print(f"{table(events)}\n\n{shares(events, compiled.as_text())}")


def shares(events: list[dict], program: str) -> str:
    """The share of the time that each of PARTS has."""
    scopes = dict(re.findall(r'%?([\w.-]+) = .*op_name="([^"]*)"', program))
    total, inside = 0.0, collections.Counter()
    for event in events:
        name = event.get("args", {}).get("hlo_op", "while")
        if not name.startswith("while"):
            total += event["dur"]
            words = re.split(r"\W+", scopes.get(name, ""))
            inside.update({part: event["dur"] for part, scope in PARTS.items() if scope in words})
    return "\n".join(f"{part}: {inside[part] / total:.1%}" for part in PARTS)


def table(events: list[dict]) -> str:
    """Milliseconds a step of every kind of operation, the longest first."""
    total, count = collections.Counter(), collections.Counter()
    for event in events:
        name = event.get("args", {}).get("hlo_op", "while")
        if not name.startswith("while"):  # what a loop does has events of its own
            kind = name.split(".")[0]
            total[kind] += event["dur"] / 1000 / STEPS
            count[kind] += 1
    rows = ["| operation | a step | ms a step |", "|---|---|---|"]
    for kind, milliseconds in total.most_common(20):
        rows.append(f"| {kind} | {count[kind] / STEPS:g} | {milliseconds:.1f} |")
    rows.append(f"| all | | {sum(total.values()):.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
