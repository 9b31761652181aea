"""Trains a GAN.

    python -m jaxgan.main --config configs/dcgan_fashion.py --workdir runs/a
    python -m jaxgan.main --config configs/dcgan_fashion.py:smoke
    python -m jaxgan.main --config configs/dcgan_cifar.py --config.loss=hinge

The same command in the same workdir goes on where it stopped. SIGTERM, or Ctrl-C, lets it finish
the step, save and exit with status 42. A config is a Python file, and naming it runs it.

Started on several hosts, by srun, mpirun or Kubernetes, the same command is one run of them all:
see jaxgan/engine/distributed.py.
"""

import sys
from pathlib import Path
from typing import TextIO

import jax

from jaxgan.build import Experiment, build, example_batch, scaled_weights
from jaxgan.cli import OF_FIELDS, Parser, run
from jaxgan.config import load_config, to_json
from jaxgan.cpu import devices_for, use_cpu
from jaxgan.engine import distributed
from jaxgan.engine.distributed import of_first
from jaxgan.engine.train import train
from jaxgan.errors import UsageError
from jaxgan.workdir import check_config, check_workdir, default_workdir


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m jaxgan.main", description="Trains a GAN.", epilog=OF_FIELDS)
    parser.add_argument("--config", required=True, help="PATH.py[:VARIANT]; this file is run")
    parser.add_argument("--workdir", type=Path, help="default: runs/<config>-<time>")
    parser.add_argument("--dry_run", action="store_true", help="build, print, and stop")
    parser.add_argument("--force", action="store_true", help="go on although the config changed")
    flags, overrides = parser.parse_known_args(arguments)

    config = load_config(flags.config, overrides)
    distributed.init()
    workdir = Path(of_first(lambda: str(flags.workdir or default_workdir(flags.config))))
    of_first(lambda: check_workdir(workdir))
    check_seeds(config.seeds)
    use_cpu(config.train.cpu_devices or devices_for(config.seeds))
    experiment = build(config)
    if flags.dry_run:
        say(describe(experiment), file=sys.stdout)
        return
    if not flags.force:
        of_first(lambda: check_config(workdir, experiment.config))
    say("\n".join([f"workdir {workdir}", *scaled_weights(experiment.config)]))
    summary = train(experiment.run, workdir)
    say(
        f"{summary['steps']} steps in {summary['seconds']:.0f} s, "
        f"{summary['images_per_sec'] or 0:.0f} images/s; samples in {workdir / 'samples'}"
    )


def check_seeds(seeds: int) -> None:
    """Raises UsageError where several processes are to train several seeds."""
    if seeds > 1 and distributed.several():
        raise UsageError(
            f"config.seeds={seeds}: many seeds train in one process; start one for each instead "
            "(experiments/cluster/sweep.sbatch)"
        )


def say(text: str, file: TextIO | None = None) -> None:
    """A line on the error stream, of the first process."""
    if distributed.is_first():
        print(text, file=file or sys.stderr)


def describe(experiment: Experiment) -> str:
    """The resolved config, the data set, and a table of every network's parameters."""
    config, dataset, game = experiment.config, experiment.dataset, experiment.run.game
    batch = jax.tree.map(lambda x: jax.numpy.zeros(x.shape, x.dtype), example_batch(config))
    inputs = game.inputs(batch, jax.random.key(0))
    tables = [
        module.tabulate(
            {"params": jax.random.key(0), "dropout": jax.random.key(1)},
            *inputs[player],
            train=True,
            console_kwargs={"width": 120, "force_terminal": False},
        )
        for player, module in (("gen", game.gen), ("disc", game.disc))
    ]
    classes = f", {dataset.num_classes} classes" if dataset.num_classes else ", no labels"
    facts = f"data set {dataset.name}: {dataset.num_examples} images {dataset.image_shape}{classes}"
    return "\n".join([to_json(config), facts, *scaled_weights(config), *tables])


if __name__ == "__main__":
    run(main)
