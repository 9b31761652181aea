"""What dividing a step over devices costs: images/s on 1, 2, 4, 8 virtual ones, and what they send.

    python experiments/cluster/scaling.py                       # dcgan_fashion and wgan_gp_fashion
    python experiments/cluster/scaling.py --config configs/sngan_fashion.py --seconds 3

Virtual devices share the cores of one machine, so the same batch cannot become faster: what is lost
against one device is the cost of dividing it. Bytes are those of the all-reduces in the compiled
step, counted in its HLO; the time of all-reduces is that of one, alone, of as many bytes.

The projection to 256 chips is arithmetic on these bytes and on the step's operations, with the
chip's published figures and the assumptions printed beside it; nothing of it was measured on a
chip. Appends lines to results.jsonl beside this file and prints the tables.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEVICES = (1, 2, 4, 8)
CONFIGS = ("configs/dcgan_fashion.py", "configs/wgan_gp_fashion.py")
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "pred": 1, "f64": 8, "s64": 8, "u8": 1}
# TPU v5e as Google publishes it, per chip, and what a step is assumed to reach of it.
PEAK = 197e12  # bfloat16 FLOP/s
REACHED = 0.3
LINK = 1600e9 / 8  # bytes/s of the links of a chip, all together
USED = 0.5  # of LINK by a ring
LATENCY = 20e-6  # seconds of an all-reduce, however small
CHIPS = (1, 8, 64, 256)
PER_CHIP = 64  # images


def all_reduces(hlo: str) -> tuple[int, int]:
    """How many a compiled program has, and the bytes that each device puts into them."""
    total, count = 0, 0
    for shapes in re.findall(r"= (.*?) all-reduce(?:-start)?\(", hlo):
        count += 1
        for kind, sides in re.findall(r"(\w+)\[([\d,]*)\]", shapes):
            size = BYTES[kind]
            for side in filter(None, sides.split(",")):
                size *= int(side)
            total += size
    return count, total


def measure(spec: str, devices: int, seconds: float, overrides: list[str]) -> dict:
    """One row, in a process of its own."""
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    from jaxgan.build import build
    from jaxgan.config import load_config
    from jaxgan.engine.calls import Calls, initializer, read_first_batch
    from jaxgan.engine.sharding import AXES, make_mesh
    from jaxgan.engine.step import draws_per_step

    run = build(load_config(spec, ["--config.eval.every=0", *overrides])).run
    state = initializer(run.game, run.optimizers, run.seed)(read_first_batch(run))
    inputs = run.feed.inputs(0)
    compiled = Calls(run).of(0, 1).call.lower(state, inputs).compile()
    count, sent = all_reduces(compiled.as_text())
    work = compiled.cost_analysis()
    work = work[0] if isinstance(work, list) else work
    state, _ = jax.block_until_ready(compiled(state, inputs))
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        state, _ = jax.block_until_ready(compiled(state, inputs))
        steps += 1
    step = (time.perf_counter() - begin) / steps

    def add(x):
        return jax.lax.psum(x, AXES)

    everywhere = PartitionSpec()
    alone = jax.jit(jax.shard_map(add, mesh=make_mesh(), in_specs=everywhere, out_specs=everywhere))
    where = NamedSharding(make_mesh(), everywhere)
    x = jax.device_put(jnp.ones(max(1, sent // 4)), where)  # on all, before it is timed
    jax.block_until_ready(alone(x))
    begin = time.perf_counter()
    for _ in range(20):
        jax.block_until_ready(alone(x))
    images = run.batch_size * draws_per_step(run.game.schedule)
    return {
        "config": spec,
        "devices": devices,
        "batch": run.batch_size,
        "images_per_sec": round(images / step, 1),
        "step_ms": round(1e3 * step, 2),
        "all_reduces": count,
        "all_reduce_bytes": sent,
        "all_reduce_ms": round(1e3 * (time.perf_counter() - begin) / 20, 3) if sent else 0.0,
        "gflop_per_image": round(work.get("flops", 0.0) * devices / images / 1e9, 4),
        "images_per_step": images,
    }


def table(rows: list[dict]) -> str:
    lines = ["| config | devices | images/s | of one device | all-reduces a step | bytes of them "
             "| ms of one such | of the step |", "|---" * 8 + "|"]  # fmt: skip
    ones = {row["config"]: row["images_per_sec"] for row in rows if row["devices"] == 1}
    for row in rows:
        lines.append(
            f"| {Path(row['config']).stem} | {row['devices']} | {row['images_per_sec']} "
            f"| {row['images_per_sec'] / ones[row['config']]:.2f} | {row['all_reduces']} "
            f"| {row['all_reduce_bytes']:,} | {row['all_reduce_ms']} "
            f"| {row['all_reduce_ms'] / row['step_ms']:.1%} |"
        )
    return "\n".join(lines)


def projection(rows: list[dict]) -> str:
    """Images/s on many chips, each with `PER_CHIP` images of a batch; no overlap is assumed."""
    lines = [f"A projection, not a measurement: {PER_CHIP} images of a batch on each chip, "
             f"{PEAK / 1e12:.0f} TFLOP/s of which {REACHED:.0%} is reached, a ring over "
             f"{USED:.0%} of {LINK / 1e9:.0f} GB/s, {LATENCY * 1e6:.0f} us for each all-reduce, "
             "and nothing computed meanwhile.", ""]  # fmt: skip
    lines += ["| config | chips | compute ms | all-reduce ms | images/s | efficiency |",
              "|---" * 6 + "|"]  # fmt: skip
    work = {row["config"]: row["gflop_per_image"] for row in rows if row["devices"] == 1}
    for row in [row for row in rows if row["devices"] == max(DEVICES)]:
        draws = row["images_per_step"] / row["batch"]
        compute = work[row["config"]] * 1e9 * PER_CHIP * draws / (PEAK * REACHED)
        for chips in CHIPS:
            ring = 2 * (chips - 1) / chips * row["all_reduce_bytes"] / (LINK * USED)
            talk = ring + row["all_reduces"] * LATENCY if chips > 1 else 0.0
            speed = chips * PER_CHIP * draws / (compute + talk)
            lines.append(
                f"| {Path(row['config']).stem} | {chips} | {1e3 * compute:.3g} | {1e3 * talk:.3g} "
                f"| {speed:,.0f} | {compute / (compute + talk):.0%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append")
    parser.add_argument("--seconds", type=float, default=4.0, help="of timing in each row")
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many counts")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    flags, overrides = parser.parse_known_args()
    sys.path[:0] = [str(ROOT)]
    if flags.worker:
        row = measure(flags.config[0], flags.worker, flags.seconds, overrides)
        print(json.dumps(row))
        return
    rows = []
    for spec in flags.config or CONFIGS:
        for devices in DEVICES:
            command = [sys.executable, __file__, f"--config={spec}", f"--worker={devices}"]
            command += [f"--seconds={flags.seconds}", *overrides]
            found = []
            for _ in range(flags.rounds):
                done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                if done.returncode:
                    sys.exit(done.returncode)
                found.append(json.loads(done.stdout.splitlines()[-1]))
            rows.append(max(found, key=lambda row: row["images_per_sec"]))
            with (HERE / "results.jsonl").open("a") as file:
                line = {"test": "scaling", "date": date.today().isoformat(), **rows[-1]}
                file.write(json.dumps(line) + "\n")
    print(table(rows), projection(rows), sep="\n\n")


if __name__ == "__main__":
    main()
