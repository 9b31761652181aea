"""How much do protocols differ on one pair of image sets?

    pip install '.[efficientnet]'
    python experiments/protocols/run.py --real emoji --real_key image --fake_key image_twemoji \
        --data_dir DIR

The real set is the feature `--real_key` of a prepared TFDS data set, the other one `--fake_key` of
the same. The Inception's weights are a download; here the choices that the protocols make about
its input and the arithmetic are made for EfficientNet-lite0 instead, whose weights a package
ships. So the values are not FID, and their differences show what a choice is worth. Appends a line
to results.jsonl for each protocol and prints the table.
"""

import argparse
import dataclasses
import json
import time
from datetime import date
from pathlib import Path

from jaxgan.data.sources import load_dataset
from jaxgan.metrics.features import FEATURES
from jaxgan.metrics.scoring import PROTOCOLS, Memory, Scorer, images_of

RESULTS = Path(__file__).parent / "results.jsonl"
METRICS = ("fd", "kd", "cs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", required=True, help="TFDS name of the set that holds both")
    parser.add_argument("--real_key", default="image")
    parser.add_argument("--fake_key", required=True)
    parser.add_argument("--data_dir", default="")
    flags = parser.parse_args()
    sets = [
        images_of(load_dataset("tfds", builder=flags.real, dir=flags.data_dir, image_key=key))
        for key in (flags.real_key, flags.fake_key)
    ]
    own = FEATURES["efficientnet_lite0"]
    memory, lines = Memory(), []
    for name, protocol in PROTOCOLS.items():
        start = time.perf_counter()
        network = dataclasses.replace(own, resize=protocol.resize).load()
        scorer = Scorer(
            METRICS, protocol=protocol, network=network, real=sets[0],
            features_of=memory.features_of,
        )  # fmt: skip
        scored = scorer(sets[1])
        lines.append(
            {
                "date": date.today().isoformat(),
                "protocol": name,
                "resize": protocol.resize,
                "ddof": protocol.ddof,
                "shuffle": protocol.shuffle,
                "real": f"{flags.real}:{flags.real_key}",
                "fake": f"{flags.real}:{flags.fake_key}",
                "count": sets[0].count,
                "scores": scored.values,
                "spread": scored.spread,
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
        with RESULTS.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
    print("| protocol | resize to 224 | ddof | fd | kd | cs |\n|---|---|---|---|---|---|")
    for line in lines:
        values, spread = line["scores"], line["spread"]
        kd, cs = "kd_efficientnet_lite0", "cs_efficientnet_lite0"
        print(
            f"| {line['protocol']} | {line['resize']} | {line['ddof']} "
            f"| {values['fd_efficientnet_lite0']:.4f} | {values[kd]:.5f} ± {spread[kd]:.5f} "
            f"| {values[cs]:.3f} ± {spread[cs]:.3f} |"
        )


if __name__ == "__main__":
    main()
