"""Reads the settings of a command: defaults, then a config file, then flags.

A config file is plain Python that ends in one typed object named `config`.
"""

import dataclasses
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tyro

from tljax.core.config import examples
from tljax.core.errors import UserError
from tljax.core.typed import typed

T = TypeVar("T")

FORMER_MODULE = "tljax.config"  # where config files of tljax 0.1.0 import the config classes from


def load_config(path: Path, kind: type[T]) -> T:
    """Returns the object named `config` of a config file. Raises UserError that names the file and line at fault."""
    if not path.is_file():
        raise UserError(f"no config file {path}")
    try:
        with _former_module():
            found = runpy.run_path(str(path)).get("config")
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise UserError(f"config file {path}{line}: {type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        held = "no object named 'config'" if found is None else f"a {type(found).__name__} named 'config'"
        raise UserError(f"config file {path} ends in {held}; this command needs a {kind.__name__}")
    return typed(found, f"config file {path}: ")


@contextmanager
def _former_module() -> Iterator[None]:
    """Makes this package importable under its former name."""
    package, present = sys.modules["tljax"], sys.modules["tljax.core.config"]
    sys.modules[FORMER_MODULE] = present
    setattr(package, FORMER_MODULE.rpartition(".")[2], present)
    try:
        yield
    finally:
        del sys.modules[FORMER_MODULE]
        delattr(package, FORMER_MODULE.rpartition(".")[2])


def parse(kind: type[T], program: str, args: list[str] | None = None) -> T:
    """Returns the settings of a command: defaults, then `--config FILE`, then the flags."""
    about = (
        "--config FILE reads the settings from a Python file that ends in `config`, or from an example by its name "
        f"({', '.join(examples.names())}); flags override it."
    )
    args = list(sys.argv[1:] if args is None else args)
    given: dict[str, Any] = {}
    for index, argument in enumerate(args):
        name, _, value = argument.partition("=")
        if name == "--config":
            if not value and index + 1 == len(args):
                raise UserError("--config needs a file")
            given = {"default": load_config(examples.find(value or args[index + 1]), kind)}
            del args[index : index + (1 if value else 2)]
            break
    return tyro.cli(kind, args=args, prog=program, description=f"{kind.__doc__}\n\n{about}", **given)


def to_json(config: Any) -> dict[str, Any]:
    """Returns a config as plain JSON values."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(config).items()}
