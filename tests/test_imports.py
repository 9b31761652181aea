"""The floors of the house: a file imports only from floors below it, or from its own folder."""

import ast

import pytest
from conftest import ROOT

FLOORS = [  # from the ground up; what stands in one line may not import each other
    {"errors", "keys", "cpu", "__init__"},
    {"choices"},
    {"networks", "objectives", "data"},
    {"metrics"},
    {"engine"},
    {"games"},
    {"schema"},
    {"config"},
    {"build", "workdir", "cli", "latents", "film"},
    {"trained", "styles"},
    {"grids", "projection"},
    {"main", "sample", "evaluate", "plan", "project"},
]
FILES = sorted((ROOT / "jaxgan").rglob("*.py"))


def part_of(parts) -> str:
    return parts[0].removesuffix(".py")


def floor_of(part: str) -> int:
    return next(level for level, parts in enumerate(FLOORS) if part in parts)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    here = part_of(path.relative_to(ROOT / "jaxgan").parts)
    for module in imports(path):
        package, *rest = module.split(".")
        if package != "jaxgan":
            continue
        there = part_of(rest or ["__init__"])
        assert there == here or floor_of(there) < floor_of(here), f"{path.name} imports {module}"


@pytest.mark.parametrize("files", ["objectives/**/*.py", "metrics/*.py"])
def test_arithmetic_imports_jax_alone(files):
    """The feature networks, a folder further down, read files and download."""
    allowed = {"jax", "optax", "chex", "numpy", "jaxgan"}
    allowed |= {"threadpoolctl"}  # one file, no dependencies: keeps LAPACK from spinning
    standard = {"inspect", "collections", "dataclasses", "typing", "functools", "math"}
    for path in (ROOT / "jaxgan").glob(files):
        for module in imports(path):
            assert module.split(".")[0] in allowed | standard, f"{path.name} imports {module}"


def test_nothing_unpickles():
    """Nor imports torch: files of others are data."""
    for path in FILES:
        for module in imports(path):
            assert module.split(".")[0] not in {"pickle", "cloudpickle", "dill", "joblib", "torch"}


def test_configs_import_nothing_of_jaxgan():
    for path in (ROOT / "configs").glob("*.py"):
        assert not [module for module in imports(path) if module.startswith("jaxgan")]


def test_engine_knows_no_game():
    for path in (ROOT / "jaxgan" / "engine").glob("*.py"):
        assert not [m for m in imports(path) if m.startswith(("jaxgan.games", "jaxgan.build"))]
