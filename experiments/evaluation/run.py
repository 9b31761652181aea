"""Scores recipes over seeds, at the last and at the best checkpoint, and prints the table.

    python experiments/recipes/run.py configs/dcgan_fashion.py --seeds 0 1 2 \
        --override=--config.eval.every=500
    python experiments/evaluation/run.py dcgan_fashion hinge_fashion --seeds 0 1 2 --data_dir DIR

Reads the runs in runs/recipes/, which `experiments/recipes/run.py` leaves there, and appends every
evaluation to results.jsonl beside this file. 10,000 fakes against the recipe's real images. The
first row of each data set is its test split, 10,000 real images in the place of fakes: what a
perfect generator would score. --table prints the table of what is there.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
RUNS = Path("runs/recipes")
METRICS = "fd,kd,cs,prdc"
SHOWN = ("fd", "kd", "cs", "precision", "recall", "density", "coverage")
REAL = {"fashion_mnist": "fashion_mnist_10k", "mnist": "mnist:train"}  # features -> trained on


def evaluate(*flags: str) -> None:
    command = [sys.executable, "-m", "jaxgan.evaluate", "--metrics", METRICS, *flags]
    subprocess.run([*command, "--out", str(RESULTS)], check=True)


def score(recipe: str, seeds: list[int], data_dir: str) -> None:
    for seed in seeds:
        for checkpoint in ("last", "best"):
            flags = ["--workdir", str(RUNS / f"{recipe}-{seed}"), "--num", "10000"]
            flags += ["--checkpoint", checkpoint]
            evaluate(*flags, *(["--data_dir", data_dir] if data_dir else []))
            lines = RESULTS.read_text().splitlines()
            line = json.loads(lines[-1]) | {"recipe": recipe, "seed": seed, "which": checkpoint}
            RESULTS.write_text("\n".join([*lines[:-1], json.dumps(line)]) + "\n")


def score_real(features: str, data_dir: str) -> None:
    """The test split against what recipes are trained on."""
    flags = ["--real", REAL[features], "--fake", f"{features}:test", "--num_real", "10000"]
    evaluate(*flags, "--features", features, "--data_dir", data_dir)
    lines = RESULTS.read_text().splitlines()
    line = json.loads(lines[-1]) | {"recipe": f"real {features} test images", "which": ""}
    RESULTS.write_text("\n".join([*lines[:-1], json.dumps(line)]) + "\n")


def table(lines: list[dict]) -> str:
    rows = ["| recipe | checkpoint | seeds | " + " | ".join(SHOWN) + " |"]
    rows.append("|" + "---|" * (3 + len(SHOWN)))
    groups: dict[tuple, dict] = {}
    for line in lines:  # a later evaluation of the same run replaces an earlier one
        key = line["features"]["network"], line["recipe"], line["which"]
        groups.setdefault(key, {})[line.get("seed")] = line
    for (network, recipe, which), seeds in sorted(groups.items(), key=order):
        cells = []
        for name in SHOWN:
            values = [line["scores"][f"{name}_{network}"] for line in seeds.values()]
            spread = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3g}{spread}")
        rows.append(f"| {recipe} | {which} | {len(seeds)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def order(item) -> tuple:
    (network, recipe, which), _ = item
    return network, not recipe.startswith("real"), recipe, which == "best"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--real", nargs="*", choices=REAL, default=[], help="rows of real images")
    parser.add_argument("--table", action="store_true", help="print what is there, and no more")
    flags = parser.parse_args()
    if not flags.table:
        for features in flags.real:
            score_real(features, flags.data_dir)
        for recipe in flags.recipes:
            score(recipe, flags.seeds, flags.data_dir)
    print(table([json.loads(line) for line in RESULTS.read_text().splitlines()]))


if __name__ == "__main__":
    main()
