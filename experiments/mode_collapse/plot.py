"""Draws a score over steps, with its spread over seeds: a line for each run.

    python experiments/mode_collapse/plot.py GAN=runs/a "packs of 2=runs/b" --out modes.png
    python experiments/mode_collapse/plot.py it=runs/c,runs/d --metric eval/reverse_kl --out kl.png

Reads the metrics.jsonl of workdirs. With `--config.seeds=N`, or several workdirs of one length, the
line is the mean, and the band reaches from the lowest to the highest seed. Needs matplotlib.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

from jaxgan.engine.report import read_metrics

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def curve(workdirs: list[Path], metric: str) -> tuple[list[int], np.ndarray]:
    """Steps, and the values of all seeds of all runs at each, [steps, seeds]."""
    columns = []
    for workdir in workdirs:
        lines = [line for line in read_metrics(workdir / "metrics.jsonl") if metric in line]
        each = [line.get("seeds", {}).get(metric, [line[metric]]) for line in lines]
        if not each:
            raise SystemExit(f"{workdir}/metrics.jsonl has no {metric}")
        columns.append(np.array(each, float))
    return [line["step"] for line in lines], np.concatenate(columns, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="LABEL=WORKDIR[,WORKDIR]")
    parser.add_argument("--metric", default="eval/modes")
    parser.add_argument("--out", type=Path, required=True)
    flags = parser.parse_args()
    if wrong := [run for run in flags.runs if not all(run.partition("="))]:
        parser.error(f"runs are named LABEL=WORKDIR; got {wrong[0]}")
    figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for run in flags.runs:
        label, _, workdirs = run.partition("=")
        steps, values = curve([Path(workdir) for workdir in workdirs.split(",")], flags.metric)
        label += f" ({values.shape[1]} seeds)" * (values.shape[1] > 1)
        axes.plot(steps, np.nanmean(values, axis=1), label=label)
        axes.fill_between(steps, np.nanmin(values, 1), np.nanmax(values, 1), alpha=0.2)
    axes.set(xlabel="step", ylabel=flags.metric)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)  # over no line
    figure.savefig(flags.out, dpi=100)


if __name__ == "__main__":
    main()
