"""Reads the settings of a command: defaults, then a config file, then flags.

A config file is plain Python that ends in one typed object named `config`.
"""

import dataclasses
import inspect
import itertools
import runpy
import sys
import traceback
import typing
from collections.abc import Iterator, Sequence
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
        raise UserError(f"there is no config file {path}")
    try:
        with _former_module():
            found = runpy.run_path(str(path)).get("config")
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise UserError(f"config file {path}{line}: {type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        held = "has no object named 'config'" if found is None else f"has a 'config' of type {type(found).__name__}"
        raise UserError(f"config file {path} {held}; this command needs a {kind.__name__} of that name")
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
    """Returns the settings of a command: defaults, then `--config FILE`, then the flags.

    Raises UserError for a word that belongs to no option, and for several values that are joined by commas.
    """
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
    options = dict(_options(kind))
    _refuse_commas(options, args)
    settings: dict[str, Any] = {"prog": program, "description": f"{inspect.getdoc(kind)}\n\n{about}", **given}
    found, unknown = tyro.cli(kind, args=args, return_unknown_args=True, **settings)
    if unknown and not any(word.startswith("-") for word in unknown):
        raise UserError(f"{_misplaced(unknown[0], options, args)}. See: {program} --help")
    if unknown:  # a mistyped option: without return_unknown_args, tyro stops and names the option nearest to it
        return tyro.cli(kind, args=args, **settings)
    return found


def _options(kind: type, prefix: str = "--") -> Iterator[tuple[str, Any]]:
    """Yields every option of a config class with its type: `--train.data-dir`."""
    for name, hint in typing.get_type_hints(kind).items():
        option = prefix + name.replace("_", "-")
        is_nested = isinstance(hint, type) and dataclasses.is_dataclass(hint)
        yield from _options(hint, f"{option}.") if is_nested else [(option, hint)]


def _refuse_commas(options: dict[str, Any], args: Sequence[str]) -> None:
    """Raises UserError for an option of several values whose values are joined by commas."""
    for option, value in itertools.pairwise(args):
        if typing.get_origin(options.get(option)) is tuple and "," in value and not Path(value).exists():
            values = " ".join(filter(None, value.split(",")))
            raise UserError(f"{option} {value}: separate the values by spaces: {option} {values}")


def _misplaced(word: str, options: dict[str, Any], args: Sequence[str]) -> str:
    """Returns why nothing takes a word of the command line, and what to write instead."""
    place = next(index for index, argument in enumerate(args) if word in (argument, argument.partition("=")[2]))
    before = args[place].partition("=")[0] if "=" in args[place] else args[max(place - 1, 0)]
    if options.get(before.replace("_", "-")) is bool:
        *groups, name = before.removeprefix("--").split(".")
        off = ".".join([*groups, f"no-{name}"])
        return f"{before} takes no value, but is given {word!r}: write {before} for yes, and --{off} for no"
    if word in examples.names() and "--dataset" not in options:
        return f"{word!r} belongs to no option; for the example config write --config {word}"
    return f"{word!r} belongs to no option: write the option before its value, as in --dataset breast"


def to_json(config: Any) -> dict[str, Any]:
    """Returns a config as plain JSON values."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(config).items()}
