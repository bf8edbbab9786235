"""The report of a study: verdict, tables and figures in one self-contained page. It never imports jax."""

from pathlib import Path

from tljax.core import extras
from tljax.core.files import write_text

PAGE = "index.html"


def write_report(workdir: Path) -> Path:
    """Writes `<workdir>/report/index.html` with its figures and tables, and returns its path.

    Runs that are missing, unfinished or unreadable are named in the report.

    Raises:
        UserError: the folder does not exist or holds no run folder, or a package is missing.
    """
    extras.require("jinja2", "matplotlib", to="write a report")
    from tljax.report.analysis.study import analyse
    from tljax.report.page import render

    folder = Path(workdir) / "report"
    write_text(folder / PAGE, render(analyse(workdir), folder))
    return folder / PAGE
