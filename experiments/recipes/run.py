"""Trains recipes one after another and keeps what each reached.

    python experiments/recipes/run.py configs/hinge_fashion.py configs/lsgan_fashion.py
    python experiments/recipes/run.py configs/mlp_mnist.py --data_dir DIR --seeds 0 1 2

Appends a line for each run to results.jsonl beside this file, prints the table of all lines, and
leaves the runs in runs/recipes/. A run that was there goes on, or is finished already.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results.jsonl"


def train(config: Path, seed: int, data_dir: str, overrides: list[str]) -> dict:
    workdir = Path("runs/recipes") / f"{config.stem}-{seed}"
    command = [sys.executable, "-m", "jaxgan.main", "--config", str(config)]
    command += ["--workdir", str(workdir), f"--config.seed={seed}", *overrides]
    if data_dir:
        command.append(f"--config.data.dir={data_dir}")
    subprocess.run(command, check=True)
    summary = json.loads((workdir / "summary.json").read_text())
    return {
        "config": config.stem,
        "seed": seed,
        "overrides": overrides,
        "steps": summary["steps"],
        "seconds": summary["seconds"],
        "images_per_sec": summary["images_per_sec"],
        "swd": summary["last"].get("eval/swd"),
        "num": json.loads((workdir / "config.json").read_text())["eval"]["num"],
        "parameters": summary["parameters"],
        "device": summary["device"],
        "jax": summary["jax"],
    }


def table(lines: list[dict]) -> str:
    rows = ["| recipe | seed | steps | minutes | images/s | swd | of fakes |", "|---" * 7 + "|"]
    for line in sorted(lines, key=lambda line: (line["config"], line["seed"])):
        name = " ".join([line["config"], *line["overrides"]])
        minutes, swd = line["seconds"] / 60, line["swd"]
        rows.append(
            f"| {name} | {line['seed']} | {line['steps']} | {minutes:.1f} "
            f"| {line['images_per_sec']:.0f} | {swd:.3f} | {line['num']} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--data_dir", default="", help="where TFDS sets are prepared")
    parser.add_argument("--override", action="append", default=[], help="--config.field=value")
    flags = parser.parse_args()
    for config in flags.configs:
        for seed in flags.seeds:
            line = train(config, seed, flags.data_dir, flags.override)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
    print(table([json.loads(line) for line in RESULTS.read_text().splitlines()]))


if __name__ == "__main__":
    main()
