"""Tables and pictures of what run.py and compare.py left.

    python experiments/image_gans/report.py

Prints a table for each set, means with standard deviations over seeds, and draws, beside this file,
FD and KD over the images that were seen (SET_fd.png) and the first fakes of the lowest seed
(SET_grids.png) for the runs that are in runs/image_gans/. Needs matplotlib.
"""

import json
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from jaxgan.engine.report import read_metrics

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
RUNS = Path("runs/image_gans")
SHOWN = 4  # rows of a grid that a picture shows


def spread(values: list[float]) -> str:
    error = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.3g}{error}"


def newest(lines: list[dict]) -> dict[str, dict[str, dict[int, dict]]]:
    """By set, family and seed; a later line replaces an earlier one."""
    kept: dict = defaultdict(lambda: defaultdict(dict))
    for line in lines:
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
    """FD and KD, as they were measured while training: means, lowest and highest of the seeds."""
    figure, both = plt.subplots(1, 2, figsize=(11, 3.8))
    for score, axes in zip(("fd", "kd"), both, strict=True):
        for family, seeds in families.items():
            curves = []
            for seed in seeds:
                folder = RUNS / f"{data}-{family}-{seed}"
                lines = read_metrics(folder / "metrics.jsonl") if folder.exists() else []
                names = {n for line in lines for n in line if n.startswith(f"eval/{score}_")}
                for name in sorted(names)[:1]:
                    curves.append([(line["images"], line[name]) for line in lines if name in line])
                    axes.set_ylabel(name)
            if curves:
                points = np.array(curves)  # [seeds, evaluations, 2]
                images, values = points[0, :, 0], points[..., 1]
                label = f"{family}, seeds: {len(curves)}"
                axes.plot(images, values.mean(0), marker="o", label=label)
                axes.fill_between(images, values.min(0), values.max(0), alpha=0.2)
        axes.set(xlabel="images that the generator learned from", yscale="log")
        axes.grid(alpha=0.3, which="both")
    both[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    figure.tight_layout()
    figure.savefig(HERE / f"{data}_fd.png", dpi=100)
    plt.close(figure)


def draw_grids(data: str, families: dict[str, dict[int, dict]]) -> None:
    """The upper rows of each family's last grid, one below the other."""
    figure, places = plt.subplots(len(families), 1, figsize=(6, 1.9 * len(families)))
    for family, place in zip(families, np.atleast_1d(places), strict=True):
        place.set_axis_off()
        workdir = RUNS / f"{data}-{family}-{min(families[family])}"
        grids = sorted((workdir / "samples").glob("[0-9]*.png"))
        if grids:
            grid = np.asarray(Image.open(grids[-1]))
            place.imshow(grid[: len(grid) * SHOWN // 8], cmap="gray", interpolation="nearest")
        place.set_title(family, fontsize=9, loc="left")
    figure.tight_layout()
    figure.savefig(HERE / f"{data}_grids.png", dpi=120)
    plt.close(figure)


def main() -> None:
    lines = [json.loads(text) for text in (HERE / "results.jsonl").read_text().splitlines()]
    for data, families in newest(lines).items():
        print(f"{data}\n\n{table(families)}\n")
        if data != "compare":
            draw_curves(data, families)
            draw_grids(data, families)


if __name__ == "__main__":
    main()
