"""The report of a workdir: verdict, tables, figures and evidence in one self-contained page. Never imports jax."""

from pathlib import Path

from tljax.core.files import write_text

PAGE = "index.html"


def write_report(workdir: Path) -> Path:
    """Writes `<workdir>/report/index.html`, with its figures and tables beside it, and returns its path.

    Raises `UserError` where the workdir holds no run folder. Runs that are missing, unfinished or corrupt are named in
    the report.
    """
    from tljax.report.gather import gather
    from tljax.report.page import render

    folder = Path(workdir) / "report"
    write_text(folder / PAGE, render(gather(workdir), folder))
    return folder / PAGE
