"""Draws distances and overfitting over training: a column for each number of images.

    python experiments/few_images/plot.py --out few_images.png

Reads results.jsonl beside this file. A line is the mean over seeds, its band reaches from the
lowest to the highest. Above: the distance from all training images. Below: r_v, how far on the way
from training images to fakes the discriminator sees held-out images. Needs matplotlib.
"""

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
STYLES = ("-", "--", ":", "-.")


def curves(lines: list[dict], value) -> dict[tuple[str, str], tuple[list[int], np.ndarray]]:
    """(config, augmentation) -> steps that all seeds have, and values [steps, seeds]."""
    found: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for line in lines:
        key = Path(line["config"]).stem, line["augment"]
        found.setdefault(key, {}).setdefault(line["step"], {})[line["seed"]] = value(line)
    kept = {}
    for key, by_step in found.items():
        most = max(map(len, by_step.values()))
        steps = sorted(step for step, seeds in by_step.items() if len(seeds) == most)
        kept[key] = steps, np.array([[*by_step[step].values()] for step in steps])
    return kept


def distance(line: dict) -> float:
    return next(v for k, v in line["scores"].items() if k.startswith(("fd", "swd")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--quick", action="store_true", help="the quick form's lines")
    parser.add_argument("--out", type=Path, required=True)
    flags = parser.parse_args()
    lines = [json.loads(text) for text in flags.results.read_text().splitlines()]
    lines = [line for line in lines if bool(line["fields"]) == flags.quick]
    if not lines:
        raise SystemExit(f"{flags.results} has no such lines; run.py makes them")
    sizes = sorted({line["size"] for line in lines})
    configs = sorted({Path(line["config"]).stem for line in lines})
    augments = sorted({line["augment"] for line in lines})
    name = next(k for k in lines[0]["scores"] if k.startswith(("fd", "swd")))
    size = (1 + 3.4 * len(sizes), 5.4)
    figure, axes = plt.subplots(2, len(sizes), figsize=size, squeeze=False, sharex=True)
    for column, count in enumerate(sizes):
        chosen = [line for line in lines if line["size"] == count]
        for row, (label, value) in enumerate(((name, distance), ("r_v", lambda x: x["r_v"]))):
            axis = axes[row, column]
            for (config, augment), (steps, values) in curves(chosen, value).items():
                color = f"C{augments.index(augment)}"
                style = STYLES[configs.index(config) % len(STYLES)]
                axis.plot(steps, values.mean(1), style, color=color, label=f"{config}, {augment}")
                axis.fill_between(steps, values.min(1), values.max(1), color=color, alpha=0.2)
            axis.grid(alpha=0.3)
            axis.set_ylabel(label if not column else "")
        axes[0, column].set_title(f"{count} images")
        axes[1, column].set_xlabel("step")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(flags.out, dpi=100)


if __name__ == "__main__":
    main()
