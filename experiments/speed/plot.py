"""Draws how cost grows, from the sweeps in results.jsonl: one picture for each.

python experiments/speed/plot.py            # needs matplotlib; writes <workload>_<sweep>.png
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator, ScalarFormatter  # noqa: E402

HERE = Path(__file__).parent
AXES = {
    "batch": "batch size",
    "resolution": "side of the image, pixels (batch 32)",
    "width": "width of both networks (channels)",
    "turns": "turns of the discriminator in a step (batch 64)",
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    sweeps = defaultdict(list)
    for text in (HERE / "results.jsonl").read_text().splitlines():
        line = json.loads(text)
        match line["workload"].split():
            case [workload, sweep, value]:
                sweeps[workload, sweep].append((int(value), line))
    for (workload, sweep), points in sweeps.items():
        points.sort(key=lambda point: point[0])
        figure, axes = plt.subplots(figsize=(5, 3.5))
        for who, label in (("jaxgan", "jaxgan"), ("torch", "PyTorch, channels-last")):
            drawn = [(x, line["images_per_sec"][who]) for x, line in points]
            axes.plot(*zip(*drawn, strict=True), marker="o", label=label)
        axes.set(xscale="log", yscale="log", xlabel=AXES[sweep], ylabel="images/s")
        axes.set_title(f"{workload}, {points[0][1]['device']}, {points[0][1]['dtype']}")
        axes.set_xticks([x for x, _ in points], [str(x) for x, _ in points])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(HERE / f"{workload}_{sweep}.png", dpi=100)
        plt.close(figure)


if __name__ == "__main__":
    main()
