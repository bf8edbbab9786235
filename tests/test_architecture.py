"""A room imports only rooms on the floors below it, and no files import each other in a circle."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "tljax").rglob("*.py"))
FLOORS = [  # from the ground up; docs/architecture.md says what each room holds
    {"core"},
    {"models", "similarity", "datasets", "statistics"},
    {"weights"},
    {"screen", "compare", "train", "predict"},
    {"study", "report", "features"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS, start=1) for room in rooms}
NO_JAX = ("jax", "flax", "orbax")
HEAVY = ("tensorflow_datasets", "grain", "torch", "matplotlib", "sklearn", "tensorboardX", "pandas")


def _module(file: Path) -> str:
    """tljax/models/__init__.py -> tljax.models."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(file): file for file in FILES}


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """Every module of tljax that a file imports, anywhere in it, with the line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else node.module or "" for name in names]
        else:
            continue
        yield from ((module, node.lineno) for module in found if module.split(".")[0] == "tljax")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "tljax")))
def test_a_room_imports_only_the_floors_below_it(file):
    room = file.relative_to(ROOT / "tljax").parts[0]
    if room == "__init__.py":
        assert not list(_imports(file))
        return
    assert room in FLOOR_OF, f"{file} is in no room"
    for module, line in _imports(file):
        if module == "tljax":
            continue  # its version
        imported = module.split(".")[1]
        if imported != room:
            assert FLOOR_OF[imported] < FLOOR_OF[room], f"{file}:{line}: {room} imports {imported}"


def test_no_files_import_each_other_in_a_circle():
    """A package's own `__init__` is left out: importing any of its files imports it."""
    graph = {
        name: {module for module, _ in _imports(file) if module in MODULES and not name.startswith(f"{module}.")}
        for name, file in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def _loaded(module: str, unwanted: tuple[str, ...]) -> str:
    """Which of the unwanted packages an import brings along."""
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({unwanted!r})))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", ["tljax.report", "tljax.report.page", "tljax.core.runs"])
def test_reading_runs_needs_no_jax(module):
    assert _loaded(module, NO_JAX).split() == []


def test_training_imports_nothing_heavy_that_it_may_not_need():
    assert _loaded("tljax.train.loop", HEAVY).split() == []


def test_planning_a_study_loads_no_training_engine():
    assert _loaded("tljax.study.grid", ("tljax.train.engine", "tljax.train.loop")).split() == []
