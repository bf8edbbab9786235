"""Holds the console script: `tljax NAME ...` runs the same command as `python -m tljax.NAME ...`."""

import pkgutil
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import tljax
from tljax.core.errors import UserError, did_you_mean, run_command

ROOT = Path(tljax.__file__).parent
ABOUT = {
    "weights": "list, download, convert, audit and export checkpoints",
    "datasets": "list the tasks, download an archive, or check images",
    "features": "write the frozen features of a network",
    "screen": "rank checkpoints by their frozen features, and propose a shortlist",
    "train": "fine-tune one network on one fold",
    "predict": "predict the class probabilities of images",
    "compare": "compare representations layer by layer",
    "study": "run a grid of trainings, and compare all networks",
    "report": "write the report of a study",
}


def names() -> Iterator[str]:
    """Yields the names of the commands: every package of tljax that holds a `__main__.py`."""
    for package in pkgutil.iter_modules(tljax.__path__):
        if package.ispkg and (ROOT / package.name / "__main__.py").is_file():
            yield package.name


def main() -> None:
    """Runs the command that the first argument names."""
    run_command(_run)


def _run() -> None:
    known = list(names())
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        lines = "\n".join(f"  {command:<10}{ABOUT.get(command, '')}".rstrip() for command in known)
        print(f"usage: tljax COMMAND [options] | --version\n\n{lines}\n\ntljax COMMAND --help explains a command.")
    elif name == "--version":
        print(f"tljax {tljax.__version__}")
    elif name in known:
        sys.argv = [f"tljax {name}", *arguments]
        runpy.run_module(f"tljax.{name}", run_name="__main__")
    else:
        hint = did_you_mean(name, known) or f"; known are {', '.join(known)}"
        raise UserError(f"tljax has no command {name!r}{hint}")
