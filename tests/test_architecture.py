"""Data flows one way: a file imports only files above it in docs/architecture.md."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "tljax").rglob("*.py"))


def _order() -> dict[str, int]:
    """Room -> its level: those between two arrows stand side by side and do not import each other."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    block = re.search(r"enforces the order\)\.\n\n((?:    .*\n)+)", text).group(1)
    return {room.strip(): level for level, group in enumerate(block.split("->")) for room in group.split(",")}


ORDER = _order()


def _room(module: str) -> str:
    """tljax.models.resnet -> models."""
    return module.split(".")[1]


def _imported_rooms(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "tljax":
            modules = [f"tljax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        yield from ((_room(module), node.lineno) for module in modules if module.startswith("tljax."))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "tljax")))
def test_a_file_imports_only_files_above_it(file):
    room = file.relative_to(ROOT / "tljax").parts[0].removesuffix(".py")
    if file.name == "__main__.py":
        return  # a command: it stands above everything, and nothing imports it
    if room == "__init__":
        assert not list(_imported_rooms(file))
        return
    assert room in ORDER, f"docs/architecture.md has no place for {room}"
    for imported, line in _imported_rooms(file):
        if imported != room:
            assert ORDER[imported] < ORDER[room], f"{file}:{line}: {room} imports {imported}, which is not above it"


def _loaded(module: str, unwanted: tuple[str, ...]) -> str:
    """Which of the unwanted packages an import brings along."""
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({unwanted!r})))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", ["tljax.report", "tljax.runs"])
def test_reading_runs_needs_no_jax(module):
    assert _loaded(module, ("jax", "flax", "orbax")).split() == []


def test_training_imports_nothing_heavy_that_it_may_not_need():
    heavy = ("tensorflow_datasets", "grain", "torch", "matplotlib", "sklearn", "tensorboardX", "pandas")
    assert _loaded("tljax.train", heavy).split() == []
