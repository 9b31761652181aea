"""The tables of experiments/mode_collapse: what they would train, and what they have found."""

import importlib.util
import json
from argparse import Namespace

import pytest
from conftest import ROOT

from jaxgan.config import load_config

FOLDER = ROOT / "experiments" / "mode_collapse"
SPEC = importlib.util.spec_from_file_location("mode_collapse", FOLDER / "run.py")
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)
LINES = [json.loads(text) for text in run.RESULTS.read_text().splitlines()]


def flags(table, quick=False):
    return Namespace(table=table, quick=quick, packs=run.PACKS, data_dir="DIR")


@pytest.mark.parametrize("table, quick", [*((name, False) for name in run.TABLES), ("toy", True)])
def test_every_cell_is_a_config(table, quick):
    cells = list(run.TABLES[table](flags(table, quick)))
    assert len({(cell.row, cell.column) for cell in cells}) == len(cells)
    for cell in cells:
        given = [f"--config.{name}={value}" for name, value in cell.fields.items()]
        load_config(str(ROOT / cell.config), given)


def test_every_result_can_be_made_again():
    for line in LINES:
        load_config(str(ROOT / line["config"]), line["overrides"])
        assert {len(values) for values in line["each"].values()} <= {0, line["seeds"]}


@pytest.mark.parametrize("table", sorted({line["table"] for line in LINES} & run.TABLES.keys()))
def test_the_newest_results_fill_their_table(table):
    cells, lines = run.newest(table, list(run.TABLES[table](flags(table))))
    assert cells
    drawn = run.as_grid(cells, lines) if "remedies" in table else run.as_list(cells, lines)
    for line in lines:
        assert run.found(line) in drawn


def line_of(values, *overrides):
    config = "configs/pacgan_grid.py"
    return {"config": config, "overrides": list(overrides), "seeds": len(values) or 1,
            "seconds": 1.0, "each": {"eval/modes": values}}  # fmt: skip


def test_seeds_of_several_lines_count_together():
    lines = [
        line_of([9.0], "--config.train.steps=5", "--config.seeds=1"),  # another training
        line_of([1.0, 2.0], "--config.seeds=2", "--config.log.every=7"),
        line_of([], "--config.seeds=1", "--config.seed=2"),  # diverged
        line_of([4.0], "--config.seed=1", "--config.checkpoint.every=3", "--config.train.ema=0.0"),
    ]
    pooled = run.pooled(lines)
    assert pooled["each"] == {"eval/modes": [1.0, 4.0, None]}
    assert (pooled["seeds"], pooled["seconds"]) == (3, 3.0)
    assert run.found(pooled) == "2.5±1.5 (1 diverged)"
    assert run.pooled(lines[:1])["each"] == {"eval/modes": [9.0]}


def test_results_of_a_former_config_do_not_count(tmp_path, monkeypatch):
    cell = run.Cell("grid", "packs of 1", "configs/pacgan_grid.py", {}, ("eval/modes",))
    of_cell = {"table": "toy", "row": cell.row, "column": cell.column}
    lines = [
        line_of([1.0]) | of_cell,  # of before lines said it
        line_of([2.0], "--config.seed=1") | of_cell | {"recipe": run.recipe(cell.config)},
        line_of([3.0], "--config.seed=2") | of_cell | {"recipe": "0123abcd"},
    ]
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.jsonl")
    run.RESULTS.write_text("\n".join(map(json.dumps, lines)))
    _, (found,) = run.newest("toy", [cell])
    assert found["each"]["eval/modes"] == [1.0, 2.0]


def test_a_diverged_cell_says_so():
    assert run.found(run.pooled([line_of([], "--config.seeds=1")])) == "diverged"
