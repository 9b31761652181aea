"""Prints the lines of a sweep: every config with every seed and every value of every field.

    python experiments/cluster/sweep.py --config configs/dcgan_fashion.py --seeds 3 \\
      --set loss=hinge,lsgan --set optim.gen.lr=2e-4,5e-4 > experiments/cluster/sweep.txt
"""

import argparse
import itertools
import sys


def lines(configs: list[str], seeds: int, fields: dict[str, list[str]]) -> list[str]:
    """Each a command line of jaxgan.main without its workdir."""
    told = []
    for config, *values, seed in itertools.product(configs, *fields.values(), range(seeds)):
        settings = [*zip(fields, values, strict=True), ("seed", seed)]
        overrides = [f"--config.{name}={value}" for name, value in settings]
        told.append(" ".join([f"--config={config}", *overrides]))
    return told


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append", required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE,VALUE")
    flags = parser.parse_args(arguments)
    fields = {}
    for text in flags.set:
        name, equals, values = text.partition("=")
        if not equals or " " in text:
            parser.error(f"--set {text!r}: expected FIELD=VALUE,VALUE without spaces")
        fields[name] = values.split(",")
    print("\n".join(lines(flags.config, flags.seeds, fields)))


if __name__ == "__main__":
    main(sys.argv[1:])
