"""The sections of the page, one file each.

A section is a file in this folder with `ORDER`, a number that places it on the page, and `make(study, gallery)`, which
returns a `Section`. It is found by its name; there is no list to edit.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section

Maker = Callable[[Study, Gallery], Section]


def find_sections() -> dict[str, Maker]:
    """Returns the function of each section by file name, in the order of the page."""
    modules = {found.name: import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)}
    ordered = sorted(modules.items(), key=lambda item: (item[1].ORDER, item[0]))
    return {name: module.make for name, module in ordered}
