"""What augmentation does for GANs from few images: trains, and measures over training.

    python experiments/few_images/run.py --data_dir DIR --quick
    python experiments/few_images/run.py --data_dir DIR --seeds 0 1
    python experiments/few_images/run.py --data_dir DIR --configs configs/stylegan2_emoji.py
    python experiments/few_images/run.py --print

Trains each config on the first 300, 1,000 and 3,346 training images of `emoji`, with no
augmentation, DiffAugment and ADA, and looks at every checkpoint. It appends a line of JSON for each
to results.jsonl beside this file. Runs stay in runs/few_images/ and go on where they stopped; what
is in results.jsonl already is not measured again. --quick is one small form of it in minutes.
plot.py draws the lines.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan.build import build_scorer
from jaxgan.config import load_config
from jaxgan.data.dataset import Dataset
from jaxgan.data.feed import to_float
from jaxgan.data.sources import load_dataset
from jaxgan.engine.report import read_metrics
from jaxgan.engine.train import describe_devices
from jaxgan.games.fakes import FakeMaker
from jaxgan.metrics.scoring import Memory, images_of
from jaxgan.trained import load_state

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = Path("runs/few_images")
SIZES = (300, 1000, 3346)
AUGMENTS: dict[str, dict[str, Any]] = {
    "none": {},
    "diff_augment": {"diff_augment": {}},
    # p moves 25 times as fast as published, since runs are so much shorter.
    "ada": {"ada": {"kimg": 20}},
    # And where the light networks' hinge loss is sooner than at the published target, 0.6.
    "ada_0.1": {"ada": {"kimg": 20, "target": 0.1}},
}
DEFAULT = ("none", "diff_augment", "ada")
QUICK = {"data.resolution": 32, "data.batch_size": 16}
QUICK_NETWORKS = {
    "light": {"gen.width": 4, "disc.width": 4, "gen.latent_dim": 64},
    "stylegan2": {
        f"{player}.{name}": value
        for player in ("gen", "disc")
        for name, value in (("channel_base", 512), ("channel_max", 64))
    },
}
LOGITS = 256  # images in a batch of the discriminator


class Cell(NamedTuple):
    """What is trained: a config, on so many images, with an augmentation, from a seed."""

    config: Path
    size: int
    augment: str
    seed: int
    steps: int
    every: int
    fields: dict[str, Any]

    @property
    def workdir(self) -> Path:
        quick = "-quick" if self.fields else ""
        return RUNS / f"{self.config.stem}{quick}-{self.size}-{self.augment}-{self.seed}"

    def key(self, step: int) -> dict[str, Any]:
        return {
            "config": str(self.config),
            "fields": self.fields,
            "size": self.size,
            "augment": self.augment,
            "seed": self.seed,
            "step": step,
        }


def cells(flags: argparse.Namespace) -> Iterator[Cell]:
    for config in flags.configs:
        fields = {}
        if flags.quick:
            fields = QUICK | QUICK_NETWORKS[load_config(str(config)).gen.name]
        for size, augment, seed in product(flags.sizes, flags.augments, flags.seeds):
            yield Cell(config, size, augment, seed, flags.steps, flags.every, fields)


def train(cell: Cell, data_dir: str) -> None:
    overrides = cell.fields | {
        "data.split": f"train[:{cell.size}]",
        "data.dir": data_dir,
        "data.labels": False,
        "augment": AUGMENTS[cell.augment],
        "seed": cell.seed,
        "train.steps": cell.steps,
        "eval.every": 0,
        "checkpoint.every": cell.every,
        "checkpoint.keep_every": cell.every,
    }
    command = [sys.executable, "-m", "jaxgan.main", "--config", str(cell.config)]
    command += ["--workdir", str(cell.workdir)]
    done = subprocess.run([*command, *(f"--config.{k}={v}" for k, v in overrides.items())])
    if done.returncode:
        sys.exit(done.returncode)  # it has said why


class Judge:
    """Measures checkpoints of a cell: distance, logits, memorization."""

    def __init__(self, cell: Cell, data_dir: str, num: int, features: str):
        config, self._game, _ = load_state(cell.workdir)
        load = partial(
            load_dataset,
            "tfds",
            builder=config.data.builder,
            dir=data_dir,
            resolution=config.data.resolution,
            channels=config.data.channels,
            labels=False,
        )
        self._train, self._held_out = load(split=config.data.split), load(split="test")
        build = partial(
            build_scorer, protocol="torch-fidelity", features=features,
            features_of=Memory().features_of,
        )  # fmt: skip
        # All of the split, whatever part was trained on: the distance is from what is to be learnt.
        distance = build(["fd" if features else "swd"], real=images_of(load(split="train")))
        self._scorers = [distance]
        if features:
            held_out = images_of(self._held_out)
            memory = build(["memorization"], real=images_of(self._train), held_out=held_out)
            self._scorers.append(memory)
        self._make, self._num = FakeMaker(self._game), num
        self._opinion = jax.jit(self._game.opinion)

    def look(self, cell: Cell, step: int) -> dict[str, Any]:
        _, _, state = load_state(cell.workdir, str(step))
        fakes = self._make(state.ema, self._num, jax.random.key(cell.seed))
        scores = {}
        for scorer in self._scorers:
            scores |= scorer(fakes).values
        held_out = self._pixels(self._held_out)
        logits = {
            "train": self._logits(state, self._pixels(self._train)[: len(held_out)]),
            "held_out": self._logits(state, held_out),
            "fake": self._logits(state, fakes.pixels(len(held_out))),
        }
        means = {name: float(values.mean()) for name, values in logits.items()}
        # Karras et al. 2020, eq. 1 (r_v): 0 where held-out images pass for training ones, 1 where
        # they pass for fakes.
        gap = means["train"] - means["held_out"]
        overfit = gap / (means["train"] - means["fake"])
        return {"scores": scores, "logits": means, "gap": gap, "r_v": overfit}

    def _pixels(self, dataset: Dataset) -> np.ndarray:
        return images_of(dataset).pixels(dataset.num_examples)

    def _logits(self, state: Any, images: np.ndarray) -> np.ndarray:
        batches = []
        for begin in range(0, len(images), LOGITS):
            chosen = np.arange(begin, begin + LOGITS) % len(images)  # one shape for all batches
            batch = np.asarray(self._opinion(state, to_float(images[chosen])))
            batches.append(batch[: len(images) - begin])
        return np.concatenate(batches)


def results() -> list[dict]:
    return (
        [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    )


def measure(cell: Cell, data_dir: str, num: int, features: str) -> None:
    """Appends a line for each checkpoint that has none."""
    known = [{name: line.get(name) for name in cell.key(0)} for line in results()]
    steps = [n for n in range(cell.every, cell.steps + 1, cell.every) if cell.key(n) not in known]
    judge = Judge(cell, data_dir, num, features) if steps else None
    logged = {line["step"]: line for line in read_metrics(cell.workdir / "metrics.jsonl")}
    for step in steps:
        found = judge.look(cell, step)
        line = {"date": date.today().isoformat(), **cell.key(step), **found, "num": num}
        if "disc/ada_p" in logged.get(step, {}):
            line["ada_p"] = logged[step]["disc/ada_p"]
        line |= {"device": describe_devices(), "jax": jax.__version__}
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")


def table(lines: list[dict]) -> str:
    """The last checkpoint of each cell, and the best distance on the way; means over seeds."""
    groups: dict[tuple, dict[int, dict[int, dict]]] = {}
    for line in lines:
        key = (Path(line["config"]).stem + (" (quick)" if line["fields"] else ""), line["size"],
               line["augment"])  # fmt: skip
        groups.setdefault(key, {}).setdefault(line["seed"], {})[line["step"]] = line
    rows = ["| config | images | augmentation | seeds | steps | distance, best | last | gap | "
            "r_v | authenticity | C_T |", "|" + "---|" * 11]  # fmt: skip
    for (config, size, augment), seeds in sorted(groups.items()):
        last = [by_step[max(by_step)] for by_step in seeds.values()]
        best = [min(distance(line) for line in by_step.values()) for by_step in seeds.values()]
        named = {
            name: [value for line in last for key, value in line["scores"].items()
                   if key.startswith(name)]
            for name in ("authenticity", "ct")
        }  # fmt: skip
        drawn = {name: [line[name] for line in last] for name in ("gap", "r_v")}
        columns = [best, [distance(line) for line in last], *drawn.values(), *named.values()]
        rows.append(
            f"| {config} | {size} | {augment} | {len(seeds)} | {last[0]['step']} | "
            + " | ".join(mean(values) for values in columns)
            + " |"
        )
    return "\n".join(rows)


def distance(line: dict) -> float:
    return next(v for k, v in line["scores"].items() if k.startswith(("fd", "swd")))


def mean(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.3g}{spread}" if values else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", type=Path, default=[Path("configs/light_emoji.py")])
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--augments", nargs="+", choices=AUGMENTS, default=DEFAULT)
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--every", type=int, help="steps between two measurements")
    parser.add_argument("--num", type=int, help="fakes")
    parser.add_argument("--features", default="efficientnet_lite0", help="'': swd on pixels")
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--quick", action="store_true", help="300 images, 32x32, small networks")
    parser.add_argument("--print", action="store_true", help="the table of what is there")
    flags = parser.parse_args()
    small = {"sizes": [300], "seeds": [0], "steps": 1000, "every": 500, "num": 500}
    whole = {"sizes": SIZES, "seeds": [0, 1], "steps": 20_000, "every": 2000, "num": 3346}
    for name, value in (small if flags.quick else whole).items():
        if getattr(flags, name) is None:
            setattr(flags, name, value)
    if not flags.print:
        for cell in cells(flags):
            train(cell, flags.data_dir)
            measure(cell, flags.data_dir, flags.num, flags.features)
    print(table(results()))


if __name__ == "__main__":
    main()
