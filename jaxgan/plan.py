"""What a training will take, from the compiled step, without training.

    python -m jaxgan.plan --config configs/dcgan_cifar.py --devices 8
    python -m jaxgan.plan --config configs/dcgan_cifar.py --devices 8 --memory 16GB --seconds 5

On a CPU the devices are virtual ones, which share its cores. Where an accelerator has fewer devices
than are planned for, the step is compiled and timed with their share of the batch, and what it
leaves out, the exchange of gradients, is said.
"""

import math
import re
import time
from collections import Counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxgan.build import build, build_game, build_on, resolve
from jaxgan.cli import OF_FIELDS, Parser, run
from jaxgan.config import load_config
from jaxgan.cpu import devices_for, use_cpu
from jaxgan.data.dataset import Dataset
from jaxgan.engine.calls import Calls, first_batch, initializer, read_first_batch
from jaxgan.engine.run import Run, call_end
from jaxgan.engine.step import Game, TrainState, draws_per_step
from jaxgan.engine.train import count_parameters, describe_devices
from jaxgan.errors import UsageError

UNITS = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LOOKED_AT = 4096  # steps, to see how often a lazy term is due
TRIES = 8  # batches that are compiled in search of the largest


class Cost(NamedTuple):
    """Of a step on one device, as the compiler has it; lazy terms by how often they are due.

    flops, bytes: floating-point operations, and bytes read and written between fused operations.
    held: bytes of state, data and results. used: bytes within the step, besides.
    """

    flops: float
    bytes: float
    held: int
    used: int

    @property
    def memory(self) -> int:
        return self.held + self.used


def main(arguments: list[str]) -> None:
    parser = Parser(
        prog="python -m jaxgan.plan",
        description="Says what a training will take.",
        epilog=OF_FIELDS,
    )
    parser.add_argument("--config", required=True, help="PATH.py[:VARIANT]; this file is run")
    parser.add_argument("--devices", type=int, default=0, help="default: those that are here")
    parser.add_argument("--memory", help="of a device, such as 16GB: what batch fits?")
    parser.add_argument("--seconds", type=float, default=2.0, help="of timing; 0: none")
    flags, overrides = parser.parse_known_args(arguments)
    if flags.devices < 0 or not 0 <= flags.seconds < math.inf:
        raise UsageError("--devices and --seconds must be finite and not be negative")
    memory = parse_bytes(flags.memory) if flags.memory else 0

    config = load_config(flags.config, overrides)
    use_cpu(flags.devices or config.train.cpu_devices or devices_for(config.seeds))
    devices, here = flags.devices or jax.device_count(), jax.device_count()
    experiment = build(share(config, here, devices))
    step = experiment.run
    state = abstract_state(step)
    cost = measure(step, state)
    if step.seeds or config.train.microbatches > 1:
        flops, moved = work_without_loops(share(config, here, devices), experiment.dataset)
        cost = cost._replace(flops=flops / here, bytes=moved / here)
    images = config.data.batch_size * draws_per_step(step.game.schedule)  # of each seed
    of_each = f" of each of {step.seeds} seeds" if step.seeds else ""
    sizes = {
        player: count_parameters(params) // max(1, step.seeds)
        for player, params in state.params.items()
    }

    say("devices", f"{devices}, each with {images * max(1, step.seeds) // devices} images a "
        "step; here "
        f"{describe_devices()}")  # fmt: skip
    say("parameters", ", ".join(f"{player} {size:,}" for player, size in sizes.items()))
    say("a step", f"{count(cost.flops * devices, 'FLOP')}, {count(cost.bytes * devices, 'B')} "
        "read and written, on all devices")  # fmt: skip
    say("memory", f"{count(cost.memory, 'B')} on each device: {count(cost.held, 'B')} of state and "
        f"data, {count(cost.used, 'B')} within the step")  # fmt: skip
    say("the run", f"{step.steps:,} steps, {step.steps * images:,} images{of_each}")
    if flags.seconds:
        speed = steps_per_second(step, flags.seconds)
        whole = step.steps / speed
        say("speed", f"{speed * images:,.0f} images/s{of_each}, {speed:.3g} steps/s, timed here")
        say("time", f"{clock(whole)} of steps, without compiling, samples, scores and checkpoints")
    if here < devices:
        say("left out", f"the exchange of gradients: {here} of {devices} devices were there")
    if memory:
        batch, cost, fails = largest_batch(config, experiment.dataset, here, devices, memory)
        more = f"{fails:,} do not" if fails else "there are no more images"
        say("batch", f"{batch:,} images (data.batch_size) fit in {flags.memory}: "
            f"{count(cost.memory, 'B')} on each device; {more}")  # fmt: skip


def share(config: ConfigDict, here: int, devices: int) -> ConfigDict:
    """The config with the part of the batch that the devices here have, of all."""
    size = config.data.batch_size
    if config.seeds == 1 and size % devices:
        raise UsageError(
            f"config.data.batch_size must be a multiple of the {devices} devices; got {size}"
        )
    return with_batch(config, size * here // devices) if config.seeds == 1 else config


def with_batch(config: ConfigDict, size: int) -> ConfigDict:
    return with_fields(config, {"data.batch_size": size})


def with_fields(config: ConfigDict, fields: dict[str, int]) -> ConfigDict:
    """A copy with other values at these dotted paths."""
    other = config.copy_and_resolve_references()
    with other.unlocked():
        other.update_from_flattened_dict(fields)
    return other.lock()


def abstract_state(run: Run) -> TrainState:
    """The shapes and shardings of the state before the first step."""
    real = jax.eval_shape(first_batch(run), run.feed.inputs(0), jax.random.key(run.seed))
    init = initializer(run.game, run.optimizers, run.seed, run.seeds, run.state_shards)
    return init.eval_shape(real)


def measure(run: Run, state: TrainState) -> Cost:
    """Compiles the step, and the one where lazy terms are due, and runs neither."""
    calls, inputs, costs = Calls(run), run.feed.inputs(0), []
    for _, step, part in kinds(run):
        compiled = calls.of(step, step + 1).call.lower(state, inputs).compile()
        memory = compiled.memory_analysis()
        flops, moved = work(compiled)
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes
        costs.append(
            Cost(
                flops=part * flops,
                bytes=part * moved,
                held=held - memory.alias_size_in_bytes,
                used=memory.temp_size_in_bytes,
            )
        )
    peak = max(costs, key=lambda cost: cost.memory)
    flops, moved = (sum(cost[i] for cost in costs) for i in (0, 1))
    return Cost(flops=flops, bytes=moved, held=peak.held, used=peak.used)


def work_without_loops(config: ConfigDict, dataset: Dataset) -> tuple[float, float]:
    """FLOP and bytes of a step of all seeds, its batch in one part.

    The compiler counts what is in a loop once, and parts are played in one, as are the seeds of a
    CPU. So it is asked about one seed on one device, which has the whole batch.
    """
    run = build_on(with_fields(config, {"train.microbatches": 1}), dataset).run
    inputs, root = run.feed.inputs(0), jax.random.key(run.seed)
    batches = jax.eval_shape(lambda i: run.feed.batch(i, root, jnp.int32(0), 0), inputs)
    init = initializer(run.game, run.optimizers, run.seed).init
    state = jax.eval_shape(init, jax.eval_shape(first_batch(run), inputs, root))
    found = [
        (part, work(jax.jit(run.step_of(game)).lower(state, batches).compile()))
        for game, _, part in kinds(run)
    ]
    flops, moved = (sum(part * of_kind[i] for part, of_kind in found) for i in (0, 1))
    return flops * max(1, run.seeds), moved * max(1, run.seeds)


def kinds(run: Run) -> list[tuple[Game, int, float]]:
    """The games that steps play, for which lazy terms are due, the first of each, their share."""
    steps = range(min(run.steps, LOOKED_AT))
    games = [run.game.due(step) for step in steps]
    first = {game: step for step, game in zip(reversed(steps), reversed(games), strict=True)}
    return [(game, first[game], times / len(steps)) for game, times in Counter(games).items()]


def work(compiled: jax.stages.Compiled) -> tuple[float, float]:
    """FLOP and bytes as the compiler counts them."""
    found = compiled.cost_analysis()
    found = found[0] if isinstance(found, list) else found
    return found.get("flops", 0.0), found.get("bytes accessed", 0.0)


def steps_per_second(run: Run, seconds: float) -> float:
    """Plays steps from a new state, as training does, for about so long after compiling."""
    init = initializer(run.game, run.optimizers, run.seed, run.seeds, run.state_shards)
    state = init(read_first_batch(run))
    calls, done, steps, timed = Calls(run), 0, 0, 0.0
    while timed < seconds and done < run.steps:
        begin, done = done, call_end(run, done)
        play, inputs = calls.of(begin, done), run.feed.inputs(begin, done - begin)
        since, is_new = time.perf_counter(), play.is_new
        state, _ = jax.block_until_ready(play(state, inputs))
        if not is_new:  # the first time compiles
            timed, steps = timed + time.perf_counter() - since, steps + done - begin
    if not steps:
        raise UsageError("train.steps is too small to time a step; --seconds 0 leaves timing out")
    return steps / timed


def largest_batch(
    config: ConfigDict, dataset: Dataset, here: int, devices: int, memory: int
) -> tuple[int, Cost, int]:
    """The largest batch found that fits `memory` on each device, its cost, and one that fails.

    Memory grows with the batch almost as a straight line, so each batch that is compiled is where
    the line through two others meets `memory`; what is reported was compiled. The one that fails is
    0 where the whole data set is a batch that fits.

    Raises:
      UsageError: none that was tried fits.
    """
    group = getattr(build_game(resolve(config, dataset)).disc, "batch_multiple", 1)
    unit = config.train.packing * group * (devices if config.seeds == 1 else 1)
    unit *= config.train.microbatches
    limit = dataset.num_examples * devices // (here * unit)  # a device's share is one batch there
    if limit < 1:
        raise UsageError(f"{dataset.name} has {dataset.num_examples} images, fewer than {unit}")
    costs: dict[int, Cost] = {}
    fits, fails = 0, limit + 1
    now = max(1, min(limit, config.data.batch_size // unit))
    while fails - fits > 1 and len(costs) < TRIES:
        step = build_on(share(with_batch(config, now * unit), here, devices), dataset).run
        costs[now] = measure(step, abstract_state(step))
        if costs[now].memory <= memory:
            fits = now
        else:
            fails = now
        now = max(fits + 1, min(fails - 1, next_guess(costs, memory)))
    if not fits:
        smallest = min(costs)
        raise UsageError(
            f"--memory: a batch of {smallest * unit} takes {count(costs[smallest].memory, 'B')} on "
            "each device; narrow the networks, or plan for more devices"
        )
    return fits * unit, costs[fits], fails * unit if fails <= limit else 0


def next_guess(costs: dict[int, Cost], memory: int) -> int:
    """Where the line through the two batches nearest to `memory` meets it."""
    if len(costs) == 1:
        ((units, cost),) = costs.items()
        return max(1, int(units * memory / cost.memory))
    (a, cost_a), (b, cost_b) = sorted(costs.items(), key=lambda c: abs(c[1].memory - memory))[:2]
    slope = (cost_b.memory - cost_a.memory) / (b - a)
    return int(a + (memory - cost_a.memory) / slope) if slope > 0 else 2 * max(a, b)


def parse_bytes(text: str) -> int:
    """ "16GB" -> 16e9, "16GiB" -> 16 * 2**30."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?I?B)", text.strip().upper())
    if not match or float(match[1]) == 0 or match[2] not in UNITS:
        raise UsageError(f"--memory must be a size such as 16GB or 40GiB; got {text!r}")
    return int(float(match[1]) * UNITS[match[2]])


def count(value: float, unit: str) -> str:
    """ "1.23 GFLOP" of 1.23e9."""
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def clock(seconds: float) -> str:
    """ "1:02:03", hours and all."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def say(name: str, text: str) -> None:
    print(f"{name:<12}{text}", flush=True)


if __name__ == "__main__":
    run(main)
