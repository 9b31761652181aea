"""The Colab notebook: its cells run, resume, and are those of the script."""

import ast
import json
import os
import re

import jax
import pytest
from conftest import ROOT

FOLDER = ROOT / "experiments" / "colab"


def cells():
    """(kind, source) of the script's cells."""
    text = (FOLDER / "jaxgan.py").read_text()
    head, *parts = re.split(r"^# %%", text, flags=re.MULTILINE)
    assert head.startswith("# ---")
    found = []
    for part in parts:
        first, _, source = part.partition("\n")
        found.append(("markdown" if "[markdown]" in first else "code", source.strip()))
    return found


def test_the_notebook_is_the_script():
    notebook = json.loads((FOLDER / "jaxgan.ipynb").read_text())
    assert notebook["metadata"]["accelerator"] == "TPU"
    there = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    plain = lambda source: re.sub(r"^# ?", "", source, flags=re.MULTILINE)
    assert there == [(k, plain(s) if k == "markdown" else s) for k, s in cells()]
    assert not any(cell.get("outputs") for cell in notebook["cells"])


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """What its forms say, at toy size, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    jax.config.update("jax_disable_most_optimizations", True)
    yield {"SOURCE": str(ROOT), "SMOKE": True, "DRIVE": False, "NUMBER": 16}
    jax.config.update("jax_disable_most_optimizations", False)


def test_every_cell_runs_and_the_second_time_resumes(toy, tmp_path, capsys):
    def play(**form):
        names = {}
        for kind, source in cells():
            if kind == "code":
                exec(compile(filled(source, toy | form), "cell", "exec"), names)
        return names

    first = play(MORE="--config.eval.every=0 --config.sample.every=10 --config.gen.width=2")
    assert first["workdir"] == tmp_path / "jaxgan" / "dcgan_fashion-first"
    assert first["grid"].size[0] >= 8 and first["out"].exists()
    assert "training from step 0 to 20" in capsys.readouterr().err
    more = "--config.eval.every=0 --config.sample.every=10 --config.gen.width=2"
    play(STEPS=24, MORE=more)
    assert "training from step 20 to 24" in capsys.readouterr().err
    play(STEPS=24, MORE="--config.loss=hing")
    assert "did you mean 'hinge'" in capsys.readouterr().out, "an error is a line, no traceback"
    assert not os.path.exists(tmp_path / "kept.txt"), "nothing is installed where it is installed"


def filled(source, form):
    """A cell whose form fields have these values, as if typed."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in form:
            node.value = ast.Constant(form[node.targets[0].id])
    return ast.fix_missing_locations(tree)
