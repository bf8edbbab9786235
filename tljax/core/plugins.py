"""Finds the plug-ins of a package: the modules in its folder, and those that other installed packages provide."""

import importlib
import importlib.metadata
import pkgutil
import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType


def find(package: str, path: Iterable[str]) -> dict[str, ModuleType]:
    """Imports every plug-in module of `package`, and returns the modules by name.

    path: the package's `__path__`. Another distribution provides a module through an entry point whose group is the
    package's name, such as `[project.entry-points."tljax.models"]` with `swin = "my_package.swin"`.
    """
    own = {info.name: importlib.import_module(f"{package}.{info.name}") for info in pkgutil.iter_modules(path)}
    return own | {entry.name: entry.load() for entry in _offered(package, tuple(sys.path))}


@cache
def _offered(package: str, path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """Returns the entry points of a group.

    path: where Python looks for distributions. The result is kept, because reading it takes 40 ms.
    """
    return tuple(importlib.metadata.entry_points(group=package))
