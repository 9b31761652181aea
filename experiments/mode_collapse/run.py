"""Counts the modes that GANs find, over many seeds, beside what was published.

    python experiments/mode_collapse/run.py --quick
    python experiments/mode_collapse/run.py --table toy
    python experiments/mode_collapse/run.py --table remedies
    python experiments/mode_collapse/run.py --table recipes
    python experiments/mode_collapse/run.py --table stacked --data_dir DIR
    python experiments/mode_collapse/run.py --table unrolled --data_dir DIR
    python experiments/mode_collapse/run.py --table stacked_recipes --data_dir DIR
    python experiments/mode_collapse/run.py --table stacked_remedies --data_dir DIR
    python experiments/mode_collapse/run.py --table remedies --print

toy is PacGAN's Table 1 (Lin et al. 2018: ring and grid; GAN and packs of 2, 3, 4), stacked its
Table 2, unrolled its Table 3 (a small discriminator; GAN, Unrolled GAN, packs); remedies is every
loss with every penalty or method on the grid, recipes what finds all modes;
stacked_recipes and stacked_remedies are the like on Stacked-MNIST, the latter in a short form.
All seeds of a cell train in one program. --quick is the first table with small networks and few
steps: it shows what the laboratory does, not what the paper found. Appends a line for each cell to
results.jsonl beside this file, with the commit that last changed jaxgan/; runs stay in
runs/mode_collapse/ and go on where they stopped, as long as that is the same.
--print trains nothing and prints the table of the newest lines, of what the config files say today;
those of the same training with other seeds (--seeds 1 --override=--config.seed=7: the eighth alone)
count together.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.config import from_file, load_config, to_json

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = Path("runs/mode_collapse")
PACKS = (1, 2, 3, 4)
# modes, high quality in %, reverse KL, each with its standard error over 10 runs; Table 1.
PUBLISHED = {
    ("ring", 1): "6.3±.5 / 98.2±.2 / .45±.09",
    ("ring", 2): "7.9±.1 / 95.6±2.0 / .07±.03",
    ("ring", 3): "7.8±.1 / 97.7±.3 / .10±.02",
    ("ring", 4): "7.8±.1 / 95.9±1.4 / .07±.02",
    ("grid", 1): "17.3±.8 / 94.8±.7 / .70±.07",
    ("grid", 2): "23.8±.7 / 91.3±.8 / .13±.04",
    ("grid", 3): "24.6±.4 / 94.2±.4 / .06±.02",
    ("grid", 4): "24.8±.2 / 93.6±.6 / .04±.01",
    # modes, KL; Table 2.
    ("stacked_mnist", 1): "78.9±6.5 / 4.50±.13",
    ("stacked_mnist", 2): "1000 / .06",
    ("stacked_mnist", 3): "1000 / .06 to .07",
    ("stacked_mnist", 4): "1000 / .06 to .07",
}
# What faces a small discriminator, and its modes and KL; Table 3.
UNROLLED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "78.5±17.6 / 5.21"),
    "unrolled 5": ({"method.name": "unrolled", "method.unroll": 5}, "236.4±63.3 / 4.67"),
    "unrolled 10": ({"method.name": "unrolled", "method.unroll": 10}, "327.2±74.7 / 4.66"),
    "packs of 2": ({"train.packing": 2, "data.batch_size": 256}, "484.5±33 / 2.61"),
    "packs of 4": ({"train.packing": 4, "data.batch_size": 512}, "667.4±29 / 1.81"),
}
QUICK = {
    "gen.hidden": (128, 128, 128), "disc.hidden": (64, 64), "gen.init_std": 0.0,
    "disc.init_std": 0.0, "optim.gen.lr": 1e-3, "optim.disc.lr": 1e-3, "optim.gen.b1": 0.0,
    "optim.disc.b1": 0.0, "optim.gen.schedule": "linear", "optim.disc.schedule": "linear",
    "train.steps": 5000, "eval.every": 1000, "sample.every": 1000,
}  # fmt: skip
FOLDER = re.compile(r"(--config\.data\.dir=).*")  # of this machine: not kept
SEED = re.compile(r"--config\.seed=(\d+)")
BESIDE = re.compile(r"--config\.(seeds?=|(log|sample|checkpoint)\.|eval\.every=)")  # the training
NOT_FINITE = " not finite "  # in the message of a run that has diverged
LOSSES = ("minimax", "non_saturating", "lsgan", "hinge", "wasserstein", "relativistic",
          "relativistic_average")  # fmt: skip
R1, R2, WGAN_GP = ({name: {"weight": 0.1}} for name in ("r1", "r2", "wgan_gp"))
REMEDIES: dict[str, dict[str, Any]] = {
    "nothing": {"terms": {}},
    "R1": {"terms": R1},
    "R1 + R2": {"terms": R1 | R2},
    "WGAN-GP": {"terms": WGAN_GP},
    "packs of 2": {"terms": {}, "train.packing": 2, "data.batch_size": 200},
    "unrolled 5": {"terms": {}, "method.name": "unrolled", "method.unroll": 5},
}
POINTS = ("eval/modes", "eval/high_quality", "eval/reverse_kl")
STACKS = ("eval/stacked_modes_mnist", "eval/stacked_kl_mnist")


class Cell(NamedTuple):
    """What is trained for a cell of a table: a config with fields, and which scores are shown."""

    row: str
    column: str
    config: str
    fields: dict[str, Any]
    shown: tuple[str, ...]
    published: str = ""


def published_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """Rows are data, columns packs; a batch of the authors counts packs."""
    config, batch, shown, sets = {
        "toy": ("configs/pacgan_grid.py", 100, POINTS, ("ring", "grid")),
        "stacked": ("configs/pacgan_stacked_mnist.py", 64, STACKS, ("stacked_mnist",)),
    }[flags.table]
    for data in sets:
        for packing in flags.packs:
            fields = {"data.name": data, "train.packing": packing,
                      "data.batch_size": batch * packing}  # fmt: skip
            if flags.data_dir:
                fields["data.dir"] = flags.data_dir
            if flags.quick:
                fields |= QUICK
            published = PUBLISHED[data, packing]
            yield Cell(data, f"packs of {packing}", config, fields, shown, published)


def unrolled_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """A row for each method."""
    for method, (fields, published) in UNROLLED.items():
        fields = fields | {"data.dir": flags.data_dir}
        config = "configs/unrolled_stacked_mnist.py"
        yield Cell("stacked_mnist", method, config, fields, STACKS, published)


def remedy_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """Rows are losses, columns remedies."""
    common = {"train.steps": 5000, "eval.every": 1000, "sample.every": 5000}
    for remedy, fields in REMEDIES.items():
        for loss in LOSSES:
            chosen = {"loss": loss} | fields | common
            yield Cell(loss, remedy, "configs/relativistic_grid.py", chosen, POINTS)


def stacked_remedy_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """The same on Stacked-MNIST with small networks, and penalties as lazy as the config's."""
    common = {"data.dir": flags.data_dir, "gen": {"name": "dcgan", "latent_dim": 64, "width": 32},
              "disc.width": 8, "optim.gen.lr": 1e-3, "optim.disc.lr": 1e-3, "train.steps": 1500,
              "eval.every": 1500, "sample.every": 1500, "checkpoint.every": 1500}  # fmt: skip
    for remedy, fields in REMEDIES.items():
        for loss in LOSSES:
            chosen = {"loss": loss} | fields | common
            chosen["terms"] = {name: {"weight": 0.2, "interval": 4} for name in fields["terms"]}
            if "train.packing" in fields:
                chosen["data.batch_size"] = 128
            config = "configs/relativistic_stacked_mnist.py"
            yield Cell(loss, remedy, config, chosen, STACKS)


def recipe_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """The configs that find every mode, as they are."""
    yield Cell("grid", "relativistic, R1 + R2", "configs/relativistic_grid.py", {}, POINTS)


def stacked_recipe_cells(flags: argparse.Namespace) -> Iterator[Cell]:
    """The like for Stacked-MNIST."""
    config, fields = "configs/relativistic_stacked_mnist.py", {"data.dir": flags.data_dir}
    yield Cell("stacked_mnist", "relativistic, R1 + R2", config, fields, STACKS)


TABLES = {
    "recipes": recipe_cells,
    "toy": published_cells,
    "stacked": published_cells,
    "unrolled": unrolled_cells,
    "remedies": remedy_cells,
    "stacked_recipes": stacked_recipe_cells,
    "stacked_remedies": stacked_remedy_cells,
}
DEFAULT_SEEDS = {"quick": 4, "remedies": 4, "stacked_recipes": 5, "stacked_remedies": 1}


def play(table: str, cell: Cell, seeds: int, overrides: list[str]) -> dict:
    """Trains one cell and returns its line."""
    given = [f"--config.{name}={value}" for name, value in cell.fields.items()]
    given += [f"--config.seeds={seeds}", *overrides]
    code = version()
    label = hashlib.sha256(" ".join([code, *given]).encode()).hexdigest()[:8]
    workdir = RUNS / f"{table}-{cell.row}-{cell.column}-{label}".replace(" ", "")
    command = [sys.executable, "-m", "jaxgan.main", "--config", cell.config]
    status, errors = told([*command, "--workdir", str(workdir), *given])
    line = {
        "date": date.today().isoformat(),
        "table": table,
        "row": cell.row,
        "column": cell.column,
        "seeds": seeds,
        "config": cell.config,
        "recipe": recipe(cell.config),
        "overrides": [FOLDER.sub(r"\1DIR", text) for text in given],
        "code": code,
    }
    if status and NOT_FINITE not in errors:
        sys.exit(status)  # it has said why
    if status:  # all seeds are no numbers any more: a result too
        return line | {"each": {name: [] for name in cell.shown}, "steps": 0, "seconds": 0.0}
    summary = json.loads((workdir / "summary.json").read_text())
    each = summary.get("seeds") or {name: [value] for name, value in summary["last"].items()}
    kept = {name: summary[name] for name in ("steps", "seconds", "device", "jax")}
    return line | kept | {"each": {name: each[name] for name in cell.shown}}


def version() -> str:
    """The commit that last changed the package, "+" where it has changed since; "" without git."""
    if not shutil.which("git"):
        return ""
    of_package = lambda *command: subprocess.run(
        ["git", *command, "--", "jaxgan"], capture_output=True, text=True, cwd=HERE.parents[1]
    ).stdout.strip()
    commit = of_package("log", "-1", "--format=%h")
    return commit + "+" * bool(commit and of_package("status", "--porcelain"))


@cache
def recipe(config: str) -> str:
    """What a config file says, whatever its words: eight hexadecimal digits."""
    said = to_json(from_file(str(HERE.parents[1] / config)))
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def told(command: list[str]) -> tuple[int, str]:
    """Runs a program: its exit status and what it said on the error stream, which is passed on."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        lines = []
        for text in running.stderr:
            print(text, end="", file=sys.stderr, flush=True)
            lines.append(text)
    return running.returncode, "".join(lines)


def mean(values: list[float | None], scale: float = 1.0) -> str:
    """Mean and standard error over seeds; "diverged" where none ended with a number."""
    kept = scale * np.array([value for value in values if value is not None], float)
    if not len(kept):
        return "diverged"
    error = f"±{kept.std(ddof=1) / len(kept) ** 0.5:.2g}" if len(kept) > 1 else ""
    if lost := len(values) - len(kept):
        error += f" ({lost} diverged)"
    return f"{kept.mean():.{3 if kept.mean() < 999.5 else 4}g}{error}"


def found(line: dict) -> str:
    scales = [100.0 if name.endswith("high_quality") else 1.0 for name in line["each"]]
    cells = [mean(v, scale) for v, scale in zip(line["each"].values(), scales, strict=True)]
    return "diverged" if "diverged" in cells else " / ".join(cells)


def as_list(cells: list[Cell], lines: list[dict]) -> str:
    """A row for each cell, beside what was published."""
    rows = ["| data | | seeds | steps | reached | published | seconds |", "|---" * 7 + "|"]
    for cell, line in zip(cells, lines, strict=True):
        rows.append(
            f"| {cell.row} | {cell.column} | {line['seeds']} | {line['steps']} | {found(line)} "
            f"| {cell.published} | {line['seconds']:.0f} |"
        )
    return "\n".join(rows)


def as_grid(cells: list[Cell], lines: list[dict]) -> str:
    """Rows and columns of the cells."""
    at = {(cell.row, cell.column): line for cell, line in zip(cells, lines, strict=True)}
    columns = list(dict.fromkeys(cell.column for cell in cells))
    head = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    body = [
        f"| {row} | {' | '.join(found(at[row, c]) if (row, c) in at else '' for c in columns)} |"
        for row in dict.fromkeys(cell.row for cell in cells)
    ]
    total = sum(line["seconds"] for line in lines)
    return "\n".join([*head, *body, "", f"{total / 60:.0f} minutes of training"])


def newest(table: str, cells: list[Cell]) -> tuple[list[Cell], list[dict]]:
    """The cells that results.jsonl has, and their newest results, of seeds from several lines.

    Those of a config file that says something else today do not count.
    """
    lines = [json.loads(text) for text in RESULTS.read_text().splitlines()]
    of_cell: dict[tuple[str, str], list[dict]] = {}
    for line in lines:
        if line["table"] == table and line.get("recipe") in (None, recipe(line["config"])):
            of_cell.setdefault((line["row"], line["column"]), []).append(line)
    kept = [cell for cell in cells if (cell.row, cell.column) in of_cell]
    return kept, [pooled(of_cell[cell.row, cell.column]) for cell in kept]


def pooled(lines: list[dict]) -> dict:
    """The last of `lines` with the seeds that others of the same training have in addition."""
    last = lines[-1]
    by_seed: dict[int, tuple[dict, int]] = {}
    for line in lines:
        if training(line) == training(last):
            first = int(next(filter(None, map(SEED.findall, line["overrides"])), ["0"])[0])
            by_seed |= {first + place: (line, place) for place in range(line["seeds"])}
    found = [by_seed[seed] for seed in sorted(by_seed)]
    each = {
        name: [values[place] if (values := line["each"][name]) else None for line, place in found]
        for name in last["each"]
    }
    seconds = sum({id(line): line["seconds"] for line, _ in found}.values())
    return last | {"seeds": len(found), "each": each, "seconds": seconds}


def training(line: dict) -> str:
    """What makes a result of one seed: the config that it was, but for what changes no training."""
    changed = [text for text in line["overrides"] if not BESIDE.match(text)]
    return to_json(load_config(str(HERE.parents[1] / line["config"]), changed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=TABLES)
    parser.add_argument("--quick", action="store_true", help="minutes on a small CPU")
    parser.add_argument("--seeds", type=int, default=0, help="default: as in the README")
    parser.add_argument("--packs", nargs="+", type=int, default=PACKS, choices=PACKS)
    parser.add_argument("--rows", nargs="+", default=(), help="of the table's; default: all")
    parser.add_argument("--columns", nargs="+", default=(), help="the same")
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--override", action="append", default=[], help="--config.field=value")
    parser.add_argument("--print", action="store_true", help="the table of the newest results")
    flags = parser.parse_args()
    if not flags.table and not flags.quick:
        parser.error("give --quick, minutes, or --table")
    if flags.quick and flags.table not in (None, "toy"):
        parser.error("--quick is a small form of --table toy alone")
    flags.table = flags.table or "toy"
    if flags.packs != PACKS and flags.table not in ("toy", "stacked"):
        parser.error("--packs is of the tables toy and stacked")
    table = "quick" if flags.quick else flags.table
    cells = list(TABLES[flags.table](flags))
    for axis in ("row", "column"):
        asked = {*getattr(flags, f"{axis}s")}
        if unknown := asked - {getattr(cell, axis) for cell in cells}:
            parser.error(f"no {axis} of this table: {', '.join(sorted(unknown))}")
        cells = [cell for cell in cells if not asked or getattr(cell, axis) in asked]
    if flags.print:
        cells, lines = newest(table, cells)
    else:
        seeds = flags.seeds or DEFAULT_SEEDS.get(table, 10)
        lines = []
        for cell in cells:
            lines.append(play(table, cell, seeds, flags.override))
            with RESULTS.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
    print(as_grid(cells, lines) if "remedies" in flags.table else as_list(cells, lines))


if __name__ == "__main__":
    main()
