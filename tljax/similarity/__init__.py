"""Measures of similarity between two representations. Each measure is a file in this folder, found by its name.

The file defines `measure(pair) -> Measurement`, which must be jittable, and may define

    LOWEST = -1.0          # the lowest value the measure can take; otherwise 0
    UNBIASED = True        # its interval covers the value for all images; otherwise the mean estimate at this n
    corrected(value, chance, rank1, rank2) -> float   # the value without the bias of few samples
"""

from collections.abc import Callable
from functools import cache
from types import ModuleType

from tljax.core import plugins
from tljax.core.errors import require_known


@cache
def modules() -> dict[str, ModuleType]:
    """Returns the module of every measure, by name."""
    found = plugins.find(__name__, __path__)
    return {name: module for name, module in sorted(found.items()) if hasattr(module, "measure")}


def measures() -> dict[str, Callable]:
    """Returns every measure by name: `measure(pair) -> Measurement`, jittable."""
    return {name: module.measure for name, module in modules().items()}


def named(names: tuple[str, ...]) -> dict[str, Callable]:
    """Returns the measures with these names, in this order. Raises `UserError` for an unknown name."""
    known = measures()
    for name in names:
        require_known("measure", name, known)
    return {name: known[name] for name in names}
