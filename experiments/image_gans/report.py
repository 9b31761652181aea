"""Tables and pictures of what run.py and compare.py left.

    python experiments/image_gans/report.py

Prints a table for each set, means with standard deviations over seeds, and draws, beside this file,
the distances over the images that were seen (SET_curves.png), of lines that have a curve, and the
first fakes of the lowest seed whose run is in runs/image_gans/ (SET_grids.png). Needs matplotlib.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from run import FAMILIES

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
RUNS = Path("runs/image_gans")
SHOWN = 4  # rows of a grid that a picture shows


def spread(values: list[float]) -> str:
    error = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.3g}{error}"


def newest(lines: list[dict]) -> dict[str, dict[str, dict[int, dict]]]:
    """By set, family and seed; a later line replaces an earlier one. Families in run.py's order."""
    kept: dict = defaultdict(lambda: defaultdict(dict))
    for line in sorted(lines, key=lambda line: (*FAMILIES, line["family"]).index(line["family"])):
        kept[line["set"]][line["family"]][line["seed"]] = line
    return kept


def table(families: dict[str, dict[int, dict]]) -> str:
    names = list(next(iter(next(iter(families.values())).values()))["scores"]["last"])
    head = ["family", "parameters G, D", "seeds", "steps", "images/s"]
    head += [f"{name} {which}" for name in names for which in ("last", "best")]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for family, seeds in families.items():
        lines = list(seeds.values())
        sizes = lines[0].get("parameters")  # of both libraries the same, and told nowhere
        cells = [family, f"{sizes['gen']:,}, {sizes['disc']:,}" if sizes else ""]
        cells += [len(lines), lines[0]["steps"]]
        cells.append(spread([line["images_per_sec"] for line in lines]))
        for name in names:
            for which in ("last", "best"):
                found = [line["scores"].get(which, {}).get(name) for line in lines]
                cells.append("" if None in found else spread(found))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def draw_curves(data: str, families: dict[str, dict[int, dict]]) -> None:
    """Each distance of the checkpoints: means, lowest and highest of the seeds."""
    curves = {
        family: [images_and_scores(line) for line in seeds.values() if "curve" in line]
        for family, seeds in families.items()
    }
    if not any(curves.values()):
        return
    names = next(list(found[0][0][1]) for found in curves.values() if found)
    size = (11, 3.8 * len(names) / 2)
    figure, places = plt.subplots(len(names) // 2, 2, figsize=size, squeeze=False)
    for name, axes in zip(names, places.flat, strict=True):
        for family, found in curves.items():
            if found:
                thousands = [count / 1000 for count, _ in found[0]]
                values = np.array([[scores[name] for _, scores in curve] for curve in found])
                label = f"{family}, seeds: {len(found)}"
                axes.plot(thousands, values.mean(0), marker="o", label=label)
                axes.fill_between(thousands, values.min(0), values.max(0), alpha=0.2)
        axes.set(xlabel="thousand images learned from", ylabel=name, yscale="log")
        axes.grid(alpha=0.3, which="both")
    places[0, 1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    figure.tight_layout()
    figure.savefig(HERE / f"{data}_curves.png", dpi=100)
    plt.close(figure)


def images_and_scores(line: dict) -> list[tuple[int, dict[str, float]]]:
    """How many images had been learned from, and the distances, of each checkpoint."""
    batch = line["images"] // line["steps"]
    return [(int(step) * batch, scores) for step, scores in line["curve"].items()]


def draw_grids(data: str, families: dict[str, dict[int, dict]]) -> None:
    """The upper rows of each family's last grid, one below the other."""
    grids = {}
    for family, seeds in families.items():
        folders = (RUNS / f"{data}-{family}-{seed}" / "samples" for seed in sorted(seeds))
        if found := next(filter(None, (sorted(f.glob("[0-9]*.png")) for f in folders)), []):
            grids[family] = np.asarray(Image.open(found[-1]))
    if not grids:
        return
    figure, places = plt.subplots(len(grids), 1, figsize=(6, 1.9 * len(grids)))
    for (family, grid), place in zip(grids.items(), np.atleast_1d(places), strict=True):
        place.set_axis_off()
        place.imshow(grid[: len(grid) * SHOWN // 8], cmap="gray", interpolation="nearest")
        place.set_title(family, fontsize=9, loc="left")
    figure.tight_layout()
    figure.savefig(HERE / f"{data}_grids.png", dpi=120)
    plt.close(figure)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    lines = [json.loads(text) for text in (HERE / "results.jsonl").read_text().splitlines()]
    for data, families in newest(lines).items():
        print(f"{data}\n\n{table(families)}\n")
        if data != "compare":
            draw_curves(data, families)
            draw_grids(data, families)


if __name__ == "__main__":
    main()
