"""Finds the plug-ins of a package: the modules in its folder, and those that other installed packages offer."""

import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType


def find(package: str, path: Iterable[str]) -> dict[str, ModuleType]:
    """Returns every plug-in module of `package` by its name, imported.

    path: the package's `__path__`. Another distribution offers a module through an entry point whose group is the
    package's name, e.g. `[project.entry-points."tljax.models"]` with `swin = "my_package.swin"`.
    """
    own = {info.name: importlib.import_module(f"{package}.{info.name}") for info in pkgutil.iter_modules(path)}
    return own | {entry.name: entry.load() for entry in _offered(package, tuple(sys.path))}


@cache
def _offered(package: str, path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Returns the entry points of a group. path: where Python looks for distributions; it takes 40 ms to read them."""
    return tuple(importlib.metadata.entry_points(group=package))
