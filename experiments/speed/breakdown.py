"""What a step of the jaxgan side of a workload consists of: seconds by kind of operation.

    python experiments/speed/breakdown.py dcgan

Runs a few steps, without lazy terms, under `jax.profiler`, adds up the time of the compiled
program's operations by the name of their kind, and prints them beside the counted products. The
trace stays in --trace.
"""

import argparse
import collections
import gzip
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax
from run import image_file
from workloads import WORKLOADS, overrides

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.engine.calls import Calls, first_batch, initializer

STEPS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--trace", default=tempfile.gettempdir() + "/jaxgan-trace")
    flags = parser.parse_args()
    workload = WORKLOADS[flags.workload]
    with tempfile.TemporaryDirectory() as folder:
        arguments = overrides(workload, image_file(workload, folder), flags.dtype, 1)
        run = build(load_config(workload.config, arguments)).run
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
    print(table(json.loads(gzip.decompress(newest.read_bytes()))["traceEvents"]))


def table(events: list[dict]) -> str:
    """Milliseconds a step of every kind of operation, the longest first."""
    total, count = collections.Counter(), collections.Counter()
    for event in events:
        name = event.get("args", {}).get("hlo_op")
        if name:
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
