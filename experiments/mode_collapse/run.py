"""Counts the modes that GANs find, over many seeds, beside what was published.

    python experiments/mode_collapse/run.py --quick
    python experiments/mode_collapse/run.py --table toy
    python experiments/mode_collapse/run.py --table toy --override=--config.train.steps=20000
    python experiments/mode_collapse/run.py --table stacked --data_dir DIR

toy is PacGAN's Table 1 (Lin et al. 2018: ring and grid; GAN and packs of 2, 3, 4), stacked its
Table 2. All seeds of a cell train in one program. --quick is the first table with small networks
and few steps: it shows what the laboratory does, not what the paper found. Appends a line for each
cell to results.jsonl beside this file; runs stay in runs/mode_collapse/ and go on where they
stopped.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results.jsonl"
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
QUICK = [
    "--config.gen.hidden=(128,128,128)", "--config.disc.hidden=(64,64)",
    "--config.gen.init_std=0.0", "--config.disc.init_std=0.0",
    "--config.optim.gen.lr=1e-3", "--config.optim.disc.lr=1e-3",
    "--config.train.steps=4000", "--config.eval.every=1000", "--config.sample.every=1000",
]  # fmt: skip
SHOWN = {
    "toy": ("eval/modes", "eval/high_quality", "eval/reverse_kl"),
    "stacked": ("eval/stacked_modes_mnist", "eval/stacked_kl_mnist"),
}


def play(table: str, data: str, packing: int, seeds: int, overrides: list[str]) -> dict:
    """Trains one cell and returns its line."""
    config, batch = {
        "toy": ("configs/pacgan_grid.py", 100), "stacked": ("configs/pacgan_stacked_mnist.py", 64)
    }[table]  # fmt: skip
    given = [*overrides, f"--config.seeds={seeds}"]
    label = "".join(c if c.isalnum() else "_" for c in " ".join(given).replace("--config.", ""))
    workdir = RUNS / f"{data}-{packing}-{label}"
    command = [sys.executable, "-m", "jaxgan.main", "--config", config, "--workdir", str(workdir)]
    command += [f"--config.data.name={data}", f"--config.train.packing={packing}"]
    command += [f"--config.data.batch_size={batch * packing}", *given]
    subprocess.run(command, check=True)
    summary = json.loads((workdir / "summary.json").read_text())
    each = summary.get("seeds") or {name: [value] for name, value in summary["last"].items()}
    return {
        "date": date.today().isoformat(),
        "table": table,
        "data": data,
        "packing": packing,
        "seeds": seeds,
        "overrides": overrides,
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "device": summary["device"],
        "jax": summary["jax"],
        "each": {name: each[name] for name in SHOWN[table]},
    }


def cell(values: list[float], scale: float = 1.0) -> str:
    """Mean and standard error over seeds."""
    values = scale * np.array(values, float)
    error = f"±{values.std(ddof=1) / len(values) ** 0.5:.2g}" if len(values) > 1 else ""
    return f"{values.mean():.3g}{error}"


def markdown(lines: list[dict]) -> str:
    rows = ["| data | packing | seeds | steps | reached | published | seconds |", "|---" * 7 + "|"]
    for line in lines:
        scales = [100.0 if name.endswith("high_quality") else 1.0 for name in line["each"]]
        found = " / ".join(
            cell(v, scale) for v, scale in zip(line["each"].values(), scales, strict=True)
        )
        published = PUBLISHED[line["data"], line["packing"]]
        rows.append(
            f"| {line['data']} | {line['packing']} | {line['seeds']} | {line['steps']} | {found} "
            f"| {published} | {line['seconds']:.0f} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=SHOWN, default="toy")
    parser.add_argument("--quick", action="store_true", help="minutes on a small CPU")
    parser.add_argument("--seeds", type=int, default=0, help="default: 10, quick 3")
    parser.add_argument("--packs", nargs="+", type=int, default=PACKS, choices=PACKS)
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--override", action="append", default=[], help="--config.field=value")
    flags = parser.parse_args()
    overrides = [*(QUICK if flags.quick else []), *flags.override]
    if flags.data_dir:
        overrides.append(f"--config.data.dir={flags.data_dir}")
    lines = []
    for data in ("ring", "grid") if flags.table == "toy" else ("stacked_mnist",):
        for packing in flags.packs:
            seeds = flags.seeds or (3 if flags.quick else 10)
            lines.append(play(flags.table, data, packing, seeds, overrides))
            with RESULTS.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
    print(markdown(lines))


if __name__ == "__main__":
    main()
