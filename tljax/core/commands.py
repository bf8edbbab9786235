"""The console script: `tljax NAME ...` runs the same command as `python -m tljax.NAME ...`."""

import pkgutil
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import tljax

ROOT = Path(tljax.__file__).parent


def names() -> Iterator[str]:
    """List the commands: every package of tljax that holds a `__main__.py`."""
    for package in pkgutil.iter_modules(tljax.__path__):
        if package.ispkg and (ROOT / package.name / "__main__.py").is_file():
            yield package.name


def main() -> None:
    """Run the command that the first argument names."""
    known = list(names())
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(f"usage: tljax COMMAND [options]\n\ncommands: {', '.join(known)}\n\ntljax COMMAND --help explains one.")
    elif name == "--version":
        print(f"tljax {tljax.__version__}")
    elif name in known:
        sys.argv = [f"tljax {name}", *arguments]
        runpy.run_module(f"tljax.{name}", run_name="__main__")
    else:
        print(f"error: tljax has no command {name!r}; there are {', '.join(known)}", file=sys.stderr)
        sys.exit(2)
