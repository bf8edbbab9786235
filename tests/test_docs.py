"""The documents: their links lead somewhere, and their commands and flags exist."""

import contextlib
import importlib
import io
import re
import sys
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from tljax.core import commands

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(path for folder in (".", "docs", "benchmarks") for path in (ROOT / folder).glob("*.md"))
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]

LINK = re.compile(r"\]\(([^()\s]+)\)")
COMMAND = re.compile(r"(?:\btljax |\bpython -m tljax\.)([a-z]+)([^\n`]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9]")
SECOND_WORDS = {"weights": ("list", "get", "convert", "audit", "export"), "datasets": ("get",)}
READ_BEFORE_THE_PARSER = {"--config", "--init-config"}
FILE = re.compile(r"\b((?:tljax|tests|benchmarks|configs|docs|tools)/[\w/.-]*\w)")
MODULE = re.compile(r"python -m (benchmarks[\w.]+)")
TO_BE_WRITTEN = {
    "tljax/datasets/tasks/skin.py",
    "tljax/similarity/trace_overlap.py",
    "tljax/screen/scores/class_distance.py",
}
IN_PROSE = re.compile(r"`(--[a-z][a-z0-9.-]*[a-z0-9])")


@cache
def flags(command: str, second: str = "") -> frozenset[str]:
    """Return the flags that the help of a command lists."""
    arguments = [f"tljax {command}", *second.split(), "--help"]
    printed = io.StringIO()
    with (
        mock.patch.object(sys, "argv", arguments),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        importlib.import_module(f"tljax.{command}.__main__").main()
    return frozenset(FLAG.findall(printed.getvalue())) | READ_BEFORE_THE_PARSER


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_to_a_file_and_a_heading(name):
    for link in LINK.findall((ROOT / name).read_text()):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = ROOT / name if not place else (ROOT / name).parent / place
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_their_flags_exist(name):
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for command, rest in COMMAND.findall(text):
        if command not in commands.names():
            assert not FLAG.search(rest), f"tljax {command}{rest}"  # prose: "tljax answers ..."
            continue
        words = rest.split("#")[0].split()
        second = words[0] if words and words[0] in SECOND_WORDS.get(command, ()) else ""
        unknown = set(FLAG.findall(rest.split("#")[0])) - flags(command, second)
        assert not unknown, f"tljax {command}{rest}: {unknown}"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("benchmarks/")])
def test_flags_in_running_text_belong_to_a_command(name):
    known = set().union(
        *(flags(command) for command in commands.names()),
        *(flags(command, second) for command, seconds in SECOND_WORDS.items() for second in seconds),
    )
    assert set(IN_PROSE.findall((ROOT / name).read_text())) <= known


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_repository_exist(name):
    text = (ROOT / name).read_text()
    files = set(FILE.findall(text)) | {f"{module.replace('.', '/')}.py" for module in MODULE.findall(text)}
    assert {file for file in files - TO_BE_WRITTEN if not (ROOT / file).exists()} == set()
