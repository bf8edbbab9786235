"""Optional packages, and the console script that runs every command."""

import importlib
import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tljax.core import extras
from tljax.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_a_missing_package_is_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setattr(extras, "EXTRA_OF", extras.EXTRA_OF | {"no_such_package": "report"})
    with pytest.raises(
        UserError, match=r"^to draw figures, tljax needs no_such_package: pip install 'tljax\[report\]'$"
    ):
        extras.require("no_such_package", "matplotlib", to="draw figures")
    extras.require("matplotlib", to="draw figures")


def test_every_optional_package_is_in_the_stated_extra():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in extras.EXTRA_OF.items():
        assert any(wanted.startswith(package) for wanted in known[extra]), package


def _tljax(*arguments: str) -> subprocess.CompletedProcess:
    script = "from tljax.core.commands import main; main()"
    return subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_a_closed_pipe_ends_the_list_of_commands_without_a_traceback():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from tljax.core.commands import main; main()"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 0 and not done.stderr


def test_the_console_script_lists_and_runs_the_commands():
    listed = _tljax()
    assert listed.returncode == 0 and "train" in listed.stdout and "datasets" in listed.stdout
    assert "phantom-source" in _tljax("datasets").stdout
    unknown = _tljax("trian")
    assert unknown.returncode == 2 and "no command 'trian'" in unknown.stderr
    assert _tljax("report", "nowhere").returncode == 2


@pytest.mark.parametrize(
    ("command", "arguments", "package"),
    [
        ("compare", "random random:1 --out similarity.csv", "matplotlib"),
        ("datasets", "phantom --figure sheet.png", "matplotlib"),
        ("train", "--tensorboard", "tensorboardX"),
    ],
)
def test_a_missing_package_is_named_before_the_images_are_read(monkeypatch, command, arguments, package):
    for name in ("tljax.datasets.load", "tljax.train.setup.load"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("the images are read"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else object())
    monkeypatch.setattr(sys, "argv", ["tljax", *arguments.split()])
    main = importlib.import_module(f"tljax.{command}.__main__").main
    with pytest.raises(UserError, match=f"tljax needs {package}: pip install"):
        main()
