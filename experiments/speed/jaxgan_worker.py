"""Plays a workload in jaxgan, through its own config, feed, optimizers, averages and compiled call.

python experiments/speed/jaxgan_worker.py WORKLOAD_JSON DATA.npz DTYPE STEPS_PER_CALL CPU_DEVICES
"""

import json
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax
import jax.numpy as jnp
from flops import count_flops
from protocol import serve
from workloads import Workload, overrides

from jaxgan.build import build
from jaxgan.config import load_config
from jaxgan.cpu import use_cpu
from jaxgan.engine.calls import Calls, data_key, first_batch, initializer
from jaxgan.engine.sharding import divided, make_mesh, replicated
from jaxgan.engine.step import make_train_step


def main() -> None:
    fields, data, dtype, steps_per_call, cpu_devices = sys.argv[1:]
    use_cpu(int(cpu_devices) or 1)
    workload, count = Workload(**json.loads(fields)), int(steps_per_call)
    run = build(load_config(workload.config, overrides(workload, data, dtype, count))).run
    inputs = run.feed.inputs(0)
    real = first_batch(run)(inputs, jax.random.key(run.seed))
    state = initializer(run.game, run.optimizers, run.seed)(real)
    batches = run.feed.batch(inputs, data_key(state.key), jnp.int32(0), 0)
    games = [run.game.due(step) for step in range(workload.interval)]  # then they come again
    flops_of = {}
    for game in set(games):
        step = make_train_step(game, run.optimizers, ema=run.ema)
        flops_of[game] = count_flops(jax.make_jaxpr(step)(state, batches))
    flops = sum(flops_of[game] for game in games) / len(games)

    period = math.lcm(count, workload.interval)
    calls = Calls(run)
    kinds = [calls.of(first, first + count) for first in range(0, period, count)]
    begin = time.perf_counter()
    programs = {kind: kind.call.lower(state, inputs).compile() for kind in dict.fromkeys(kinds)}
    seconds = time.perf_counter() - begin
    memories = [program.memory_analysis() for program in programs.values()]
    memory = max(filter(None, memories), key=lambda m: m.temp_size_in_bytes, default=None)
    state = {"now": state}

    def play(steps: int) -> None:
        for step in range(0, steps, count):
            program = programs[kinds[step % period // count]]
            state["now"], _ = program(state["now"], inputs)
        jax.block_until_ready(state["now"])

    product, mesh = jax.jit(lambda a, b: a @ b), make_mesh()

    def matmul(size: int) -> None:
        if size not in matrices:
            matrix = jnp.ones((size, size), dtype)
            places = divided(mesh), replicated(mesh)
            matrices[size] = [jax.device_put(matrix, place) for place in places]
        product(*matrices[size]).block_until_ready()

    matrices = {}
    hello = {
        "compile_seconds": round(seconds, 2),
        "flops": flops,
        "temporary_mb": round(memory.temp_size_in_bytes / 2**20) if memory else None,
        "device": jax.devices()[0].device_kind,
        "version": f"jax {jax.__version__}",
        "parameters": {
            player: sum(leaf.size for leaf in jax.tree.leaves(params))
            for player, params in state["now"].params.items()
        },
    }
    serve(hello, play, matmul)


if __name__ == "__main__":
    main()
