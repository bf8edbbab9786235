"""How alike two representations are. A measure is a file here that defines `measure`; its name is the file's name."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache

from tljax.core.errors import require_known


@cache
def measures() -> dict[str, Callable]:
    """Every measure found in this folder: its name to its `measure(pair) -> Measurement`, jittable."""
    modules = {info.name: importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
    return {name: module.measure for name, module in sorted(modules.items()) if hasattr(module, "measure")}


def named(names: tuple[str, ...]) -> dict[str, Callable]:
    """The measures of these names, in this order; raises `UserError` for an unknown one."""
    known = measures()
    for name in names:
        require_known("measure", name, known)
    return {name: known[name] for name in names}
