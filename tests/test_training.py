"""Networks learn. Slow: python -m pytest -m slow tests/test_training.py -s"""

import json

import pytest
from conftest import ROOT

from jaxgan import main
from jaxgan.engine.report import read_metrics

# Sliced Wasserstein distance on pixels that must be reached.
REACHED = {
    "dcgan_fashion": (1000, [], 0.15),
    "fully connected": (
        4000,
        ["--config.gen={'name': 'mlp', 'activation': 'leaky_relu'}",
         "--config.disc={'name': 'mlp', 'hidden': (1024, 512, 256), 'dropout': 0.3}",
         "--config.optim.gen.lr=2e-4", "--config.optim.disc.lr=2e-4"],
        0.15,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("recipe", REACHED)
def test_recipe_learns(recipe, tmp_path):
    steps, overrides, distance = REACHED[recipe]
    main.main(
        ["--config", f"{ROOT}/configs/dcgan_fashion.py", "--workdir", str(tmp_path / "a"),
         f"--config.train.steps={steps}", "--config.log.every=100",
         f"--config.eval.every={steps // 2}", *overrides]
    )  # fmt: skip
    lines = read_metrics(tmp_path / "a" / "metrics.jsonl")
    scores = [line["eval/swd"] for line in lines if "eval/swd" in line]
    print(recipe, json.dumps(scores))
    assert scores[-1] < distance
